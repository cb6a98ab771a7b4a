# The commands of Vivado that the recipes use, as far as they use them.
#
# tclsh vivado_stub.tcl SCRIPT VERSION BOARD_PARTS SLACK IPDEFS DUMP
#
# Pins, buses and parameters of the IPs are written out here, so that a wrong name is an
# error, as is any command that is not here.  validate_bd_design asks that every clock, reset,
# bus and input is connected and that the register ranges are aligned and apart.  DUMP gets
# what was built, a line each.

lassign $argv script stub_version stub_board_parts stub_slack stub_ipdefs dump_file
set argv {}
set dump [open $dump_file w]
proc note {args} { puts $::dump $args; flush $::dump }
proc stub_error {message} { return -code error "stub: $message" }

# ---- IPs: vlnv -> buses (name mode), pins (name direction), parameters
set axi_lite {
    awaddr awprot awvalid awready wdata wstrb wvalid wready bresp bvalid bready
    araddr arprot arvalid arready rdata rresp rvalid rready
}
set axi_stream {tdata tkeep tlast tvalid tready}
set ips [dict create \
    xilinx.com:ip:processing_system7:5.5 {
        buses {M_AXI_GP0 M S_AXI_HP0 S}
        pins {FCLK_CLK0 O FCLK_RESET0_N O IRQ_F2P I M_AXI_GP0_ACLK I S_AXI_HP0_ACLK I}
        parameters {PCW_USE_M_AXI_GP0 PCW_USE_S_AXI_HP0 PCW_S_AXI_HP0_DATA_WIDTH
            PCW_USE_FABRIC_INTERRUPT PCW_IRQ_F2P_INTR PCW_EN_CLK0_PORT PCW_EN_RST0_PORT
            PCW_FPGA0_PERIPHERAL_FREQMHZ}
    } \
    xilinx.com:ip:zynq_ultra_ps_e {
        buses {M_AXI_HPM0_FPD M S_AXI_HP0_FPD S}
        pins {pl_clk0 O pl_resetn0 O pl_ps_irq0 I maxihpm0_fpd_aclk I saxihp0_fpd_aclk I}
        parameters {PSU__USE__M_AXI_GP0 PSU__USE__M_AXI_GP1 PSU__USE__M_AXI_GP2
            PSU__USE__S_AXI_GP2 PSU__MAXIGP0__DATA_WIDTH PSU__SAXIGP2__DATA_WIDTH
            PSU__USE__IRQ0 PSU__FPGA_PL0_ENABLE PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ}
    } \
    xilinx.com:ip:axi_dma:7.1 {
        buses {S_AXI_LITE S M_AXI_MM2S M M_AXI_S2MM M M_AXIS_MM2S M S_AXIS_S2MM S}
        pins {s_axi_lite_aclk I m_axi_mm2s_aclk I m_axi_s2mm_aclk I axi_resetn I
            mm2s_introut O s2mm_introut O}
        parameters {c_include_sg c_sg_include_stscntrl_strm c_sg_length_width c_addr_width
            c_include_mm2s c_include_s2mm c_m_axi_mm2s_data_width c_m_axis_mm2s_tdata_width
            c_m_axi_s2mm_data_width c_mm2s_burst_size c_s2mm_burst_size}
    } \
    xilinx.com:ip:smartconnect:1.0 {
        buses {} pins {aclk I aresetn I} parameters {NUM_SI NUM_MI}
    } \
    xilinx.com:ip:proc_sys_reset:5.0 {
        buses {} pins {slowest_sync_clk I ext_reset_in I peripheral_aresetn O} parameters {}
    } \
    xilinx.com:ip:xlconcat:2.1 {buses {} pins {dout O} parameters NUM_PORTS} \
    xilinx.com:inline_hdl:ilconcat:1.0 {buses {} pins {dout O} parameters NUM_PORTS} \
    xilinx.com:ip:xlconstant:1.1 {buses {} pins {dout O} parameters {CONST_WIDTH CONST_VAL}} \
]
# Inputs that may stay open: optional ones of the vendor's IPs.
set optional {}

# ---- projects and files
set project ""
set properties [dict create]
proc version {flag} { return $::stub_version }
proc create_project {flag part_flag part name folder} {
    if {$flag ne "-force" || $part_flag ne "-part"} { stub_error "create_project $flag $part_flag" }
    note project $name $part
    set ::project $name
    set ::sources {}
}
proc close_project {} { set ::project "" }
proc add_files {args} {
    set file [lindex $args end]
    if {![file exists $file] && ![string match *wrapper* $file]} { stub_error "no file $file" }
    lappend ::sources $file
    note file $args
}
proc current_fileset {} { return fileset }
proc current_project {} { return project:$::project }
proc update_compile_order {flag fileset} {}
proc update_ip_catalog {} {}
proc get_files {name} { return /stub/$name }
proc get_board_parts {quiet pattern} {
    return [lsearch -all -inline $::stub_board_parts $pattern]
}
proc get_ipdefs {quiet pattern} { return [lsearch -all -inline $::stub_ipdefs $pattern] }

proc set_property {args} {
    if {[lindex $args 0] eq "-dict"} {
        lassign $args -> pairs object
    } else {
        set pairs [lrange $args 0 1]
        set object [lindex $args 2]
    }
    if {[llength $object] != 1} { stub_error "set_property needs one object, not '$object'" }
    foreach {name value} $pairs {
        if {[string match cell:* $object]} {
            set cell [string range $object 5 end]
            set vlnv [dict get $::cells $cell]
            set parameter [string range $name 7 end]
            if {![string match CONFIG.* $name] || \
                $parameter ni [dict get $::ips $vlnv parameters]} {
                stub_error "$vlnv has no $name"
            }
        }
        dict set ::properties $object $name $value
        note property $object $name $value
    }
}
proc get_property {name object} {
    if {$name eq "SLACK"} { return $::stub_slack }
    if {$name eq "PROGRESS"} { return 100% }
    if {$name eq "STATUS"} { return Complete }
    stub_error "property $name"
}

# ---- packaging of the IP
namespace eval ipx {
    proc package_project {args} {
        lassign $args -> root -> vendor -> library -> taxonomy
        set ::core_ip "" ; set ::maps {} ; set ::blocks {} ; set ::regs {} ; set ::fields {}
        set ::core_root $root
        set ports [::ports_of [lindex $::sources 0]]
        set ::core_ports $ports
        set ::core_buses {}
        foreach {bus signals mode} [list s_axi $::axi_lite S s_axis $::axi_stream S \
            m_axis $::axi_stream M] {
            foreach signal $signals {
                if {![dict exists $ports ${bus}_$signal]} { set mode "" }
            }
            if {$mode ne ""} { lappend ::core_buses $bus $mode }
        }
        set ::core_vendor $vendor
        set ::core_library $library
    }
    proc current_core {} { return core_ip }
    proc get_bus_interfaces {args} {
        set name [expr {[lindex $args 0] eq "-quiet" ? [lindex $args 1] : [lindex $args 0]}]
        return [expr {$name in $::core_buses ? "bus:$name" : ""}]
    }
    proc associate_bus_interfaces {busif_flag bus clock_flag clock core} {
        if {![dict exists $::core_ports $clock]} { ::stub_error "no clock $clock" }
    }
    proc get_memory_maps {args} { return [lsearch -inline $::maps map:[name $args]] }
    proc add_memory_map {name core} { lappend ::maps map:$name }
    proc get_address_blocks {args} { return [lsearch -inline $::blocks block:[name $args]] }
    proc add_address_block {name map} {
        if {$map ni $::maps} { ::stub_error "no map $map" }
        lappend ::blocks block:$name
    }
    proc add_register {name block} {
        if {$block ni $::blocks || "reg:$name" in $::regs} { ::stub_error "register $name" }
        lappend ::regs reg:$name
    }
    proc get_registers {args} { return [lsearch -inline $::regs reg:[name $args]] }
    proc add_field {name register} {
        if {$register ni $::regs} { ::stub_error "no register $register" }
        lappend ::fields field:[string range $register 4 end].$name
    }
    proc get_fields {args} {
        set register [lindex $args end]
        return [lsearch -inline $::fields field:[string range $register 4 end].[name $args]]
    }
    proc name {arguments} {
        return [expr {[lindex $arguments 0] eq "-quiet" ? [lindex $arguments 1] \
            : [lindex $arguments 0]}]
    }
    proc create_xgui_files {core} {}
    proc update_checksums {core} {}
    proc check_integrity {core} {
        if {[llength $::regs] == 0} { ::stub_error "no registers" }
    }
    proc save_core {core} {
        set facts [dict get $::properties core_ip]
        set vlnv [join [list $::core_vendor $::core_library [dict get $facts name] \
            [dict get $facts version]] :]
        set pins {}
        dict for {port direction} $::core_ports {
            if {![regexp {^(s_axi|s_axis|m_axis)_} $port]} { lappend pins $port $direction }
        }
        dict set ::ips $vlnv [dict create buses $::core_buses pins $pins parameters {}]
        note ip $vlnv $::core_root
    }
}
proc ports_of {file} {
    set channel [open $file]
    set text [read $channel]
    close $channel
    set start [string first "module spikeloom_core(" $text]
    if {$start < 0} { stub_error "no module spikeloom_core" }
    set module [string range $text $start [string first endmodule $text $start]]
    set ports [dict create]
    foreach line [split $module \n] {
        if {[regexp {^\s*(input|output)\s+(?:wire\s+|reg\s+)?(?:\[[^\]]*\]\s*)?(\w+)} $line -> way name]} {
            dict set ports $name [expr {$way eq "input" ? "I" : "O"}]
        }
    }
    return $ports
}

# ---- the block design
set cells [dict create]
set connected [dict create]
set segments {}
proc create_bd_design {name} { note design $name }
proc create_bd_cell {type_flag type vlnv_flag vlnv name} {
    if {![dict exists $::ips $vlnv]} { stub_error "unknown IP $vlnv" }
    if {[dict exists $::cells $name]} { stub_error "cell $name is there" }
    dict set ::cells $name $vlnv
    note cell $name $vlnv
}
proc get_bd_cells {name} { return [expr {[dict exists $::cells $name] ? "cell:$name" : ""}] }
proc apply_bd_automation {args} { note automation $args }
proc buses_of {cell} {
    set vlnv [dict get $::cells $cell]
    set buses [dict get $::ips $vlnv buses]
    if {[string match *smartconnect* $vlnv]} {
        for {set i 0} {$i < [dict get $::properties cell:$cell CONFIG.NUM_SI]} {incr i} {
            lappend buses [format S%02d_AXI $i] S
        }
        for {set i 0} {$i < [dict get $::properties cell:$cell CONFIG.NUM_MI]} {incr i} {
            lappend buses [format M%02d_AXI $i] M
        }
    }
    return $buses
}
proc pins_of {cell} {
    set vlnv [dict get $::cells $cell]
    set pins [dict get $::ips $vlnv pins]
    if {[string match *concat* $vlnv]} {
        for {set i 0} {$i < [dict get $::properties cell:$cell CONFIG.NUM_PORTS]} {incr i} {
            lappend pins In$i I
        }
    }
    return $pins
}
proc get_bd_intf_pins {path} {
    lassign [split $path /] cell bus
    if {![dict exists [buses_of $cell] $bus]} { stub_error "no bus $path" }
    return intf:$path
}
proc get_bd_pins {path} {
    lassign [split $path /] cell pin
    if {![dict exists [pins_of $cell] $pin]} { stub_error "no pin $path" }
    return pin:$path
}
proc end_of {object} { return [split [lindex [split $object :] 1] /] }
proc connect_bd_intf_net {a b} {
    lassign [end_of $a] cell_a bus_a
    lassign [end_of $b] cell_b bus_b
    if {[dict get [buses_of $cell_a] $bus_a] ne "M" || [dict get [buses_of $cell_b] $bus_b] ne "S"} {
        stub_error "$a to $b is not a master to a slave"
    }
    foreach end [list $a $b] {
        if {[dict exists $::connected $end]} { stub_error "$end is connected" }
        dict set ::connected $end 1
    }
    note connect $cell_a/$bus_a $cell_b/$bus_b
}
proc connect_bd_net {a b} {
    lassign [end_of $a] cell_a pin_a
    lassign [end_of $b] cell_b pin_b
    if {[dict get [pins_of $cell_a] $pin_a] ne "O" || [dict get [pins_of $cell_b] $pin_b] ne "I"} {
        stub_error "$a to $b is not an output to an input"
    }
    if {[dict exists $::connected $b]} { stub_error "$b is connected" }
    dict set ::connected $b 1
    note wire $cell_a/$pin_a $cell_b/$pin_b
}
proc make_bd_pins_external {flag name pin} {
    dict set ::connected $pin 1
    note external $name $pin
}
proc get_bd_addr_spaces {path} { return space:$path }
proc get_bd_addr_segs {path} { return segment:$path }
proc assign_bd_address {args} {
    if {[llength $args] == 0} { note address rest ; return }
    lassign $args -> base -> range -> space segment
    lappend ::segments [list $segment $base $range]
    note address [string range $segment 8 end] [format 0x%X $base] $range
}
proc validate_bd_design {} {
    dict for {cell vlnv} $::cells {
        foreach {bus mode} [buses_of $cell] {
            if {![dict exists $::connected intf:$cell/$bus]} { stub_error "$cell/$bus is open" }
        }
        foreach {pin direction} [pins_of $cell] {
            if {$direction eq "I" && ![dict exists $::connected pin:$cell/$pin]} {
                stub_error "$cell/$pin is open"
            }
        }
    }
    set last -1
    foreach segment [lsort -integer -index 1 $::segments] {
        lassign $segment name base range
        if {$base % $range} { stub_error "$name is not aligned" }
        if {$base <= $last} { stub_error "$name overlaps" }
        set last [expr {$base + $range - 1}]
    }
    if {[llength $::segments] != 2} { stub_error "both register ranges need an address" }
    note valid
}
proc save_bd_design {} {}

# ---- runs and results
proc make_wrapper {args} { return /stub/spikeloom_wrapper.v }
proc launch_runs {run args} { note run $run $args }
proc wait_on_run {run} {}
proc get_runs {run} { return run:$run }
proc open_run {run} {
    set system [file join [file dirname [file normalize $::script]] system]
    foreach {path} [list system.runs/impl_1/spikeloom_wrapper.bit \
        system.gen/sources_1/bd/spikeloom/hw_handoff/spikeloom.hwh] {
        file mkdir [file dirname $system/$path]
        set channel [open $system/$path w]
        puts $channel stub
        close $channel
    }
    foreach file $::sources {
        if {[file extension $file] eq ".xdc"} { source $file }
    }
}
proc report_utilization {args} {}
proc report_timing_summary {args} {}
proc get_timing_paths {args} { return path }
proc write_hw_platform {args} {
    set channel [open [lindex $args end] w]
    puts $channel stub
    close $channel
}
proc get_ports {name} { return port:$name }
proc set_false_path {args} { note false_path $args }

rename exit stub_exit
if {[catch {source $script} message]} {
    puts stderr $message
    close $dump
    stub_exit 1
}
close $dump
stub_exit 0
