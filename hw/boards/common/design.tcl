# The block design: processing system, AXI DMA with 64-bit streams, core, clock, reset,
# interrupts and, where the core has them, the pins of its AER port.

namespace eval spikeloom {
    proc create_design {settings folder} {
        create_project -force -part [dict get $settings part] system $folder/system
        set has_board [choose_board [dict get $settings board_parts]]
        set_property ip_repo_paths $folder/ip [current_project]
        update_ip_catalog
        create_bd_design spikeloom
        set ps [create_ps $settings $has_board]
        create_bd_cell -type ip -vlnv [dict get $settings vlnv] core
        create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset:5.0 reset
        create_dma $settings $ps
        connect_buses $ps
        connect_clocks $ps
        connect_interrupts $ps
        connect_pins $settings
        assign_addresses $settings $ps
        validate_bd_design
        save_bd_design
    }

    # Use the first board that this Vivado has files of; without, the boot image's settings
    # of memory and pins stay, as PYNQ loads the logic only.
    proc choose_board {board_parts} {
        foreach board_part $board_parts {
            if {[llength [get_board_parts -quiet $board_part]]} {
                set_property board_part $board_part [current_project]
                return 1
            }
        }
        puts "spikeloom: no board files of [join $board_parts { or }]; the part's defaults are used"
        return 0
    }

    proc create_dma {settings ps} {
        create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma:7.1 dma
        set_property -dict [list \
            CONFIG.c_include_sg 0 \
            CONFIG.c_sg_include_stscntrl_strm 0 \
            CONFIG.c_sg_length_width [dict get $settings dma_length_bits] \
            CONFIG.c_addr_width [dict get $ps address_bits] \
            CONFIG.c_include_mm2s 1 \
            CONFIG.c_include_s2mm 1 \
            CONFIG.c_m_axi_mm2s_data_width 64 \
            CONFIG.c_m_axis_mm2s_tdata_width 64 \
            CONFIG.c_m_axi_s2mm_data_width 64 \
            CONFIG.c_mm2s_burst_size 64 \
            CONFIG.c_s2mm_burst_size 64 \
        ] [get_bd_cells dma]
    }

    proc connect_buses {ps} {
        create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 control
        set_property -dict {CONFIG.NUM_SI 1 CONFIG.NUM_MI 2} [get_bd_cells control]
        create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect:1.0 memory
        set_property -dict {CONFIG.NUM_SI 2 CONFIG.NUM_MI 1} [get_bd_cells memory]
        foreach {from to} [list \
            ps/[dict get $ps master] control/S00_AXI \
            control/M00_AXI core/s_axi \
            control/M01_AXI dma/S_AXI_LITE \
            dma/M_AXI_MM2S memory/S00_AXI \
            dma/M_AXI_S2MM memory/S01_AXI \
            memory/M00_AXI ps/[dict get $ps slave] \
            dma/M_AXIS_MM2S core/s_axis \
            core/m_axis dma/S_AXIS_S2MM \
        ] {
            connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to]
        }
    }

    proc connect_clocks {ps} {
        set clock [get_bd_pins ps/[dict get $ps clock]]
        foreach pin [list \
            ps/[dict get $ps master_clock] ps/[dict get $ps slave_clock] core/aclk \
            control/aclk memory/aclk reset/slowest_sync_clk \
            dma/s_axi_lite_aclk dma/m_axi_mm2s_aclk dma/m_axi_s2mm_aclk \
        ] {
            connect_bd_net $clock [get_bd_pins $pin]
        }
        connect_bd_net [get_bd_pins ps/[dict get $ps reset]] [get_bd_pins reset/ext_reset_in]
        set reset [get_bd_pins reset/peripheral_aresetn]
        foreach pin {core/aresetn control/aresetn memory/aresetn dma/axi_resetn} {
            connect_bd_net $reset [get_bd_pins $pin]
        }
    }

    # Interrupt 0: sent; interrupt 1: received.
    proc connect_interrupts {ps} {
        if {[llength [get_ipdefs -quiet xilinx.com:ip:xlconcat:2.1]]} {
            create_bd_cell -type ip -vlnv xilinx.com:ip:xlconcat:2.1 interrupts
        } else {
            create_bd_cell -type inline_hdl -vlnv xilinx.com:inline_hdl:ilconcat:1.0 interrupts
        }
        set_property CONFIG.NUM_PORTS 2 [get_bd_cells interrupts]
        connect_bd_net [get_bd_pins dma/mm2s_introut] [get_bd_pins interrupts/In0]
        connect_bd_net [get_bd_pins dma/s2mm_introut] [get_bd_pins interrupts/In1]
        connect_bd_net [get_bd_pins interrupts/dout] [get_bd_pins ps/[dict get $ps interrupt]]
    }

    # Pins of the core beside its buses: to the board's header, or unused where it has none.
    proc connect_pins {settings} {
        set index 0
        foreach pin [dict get $settings pins] {
            lassign $pin name direction width
            if {[dict get $settings pins_file] ne ""} {
                make_bd_pins_external -name $name [get_bd_pins core/$name]
            } elseif {$direction eq "I"} {
                create_bd_cell -type ip -vlnv xilinx.com:ip:xlconstant:1.1 unused_$index
                set_property -dict [list CONFIG.CONST_WIDTH $width CONFIG.CONST_VAL 0] \
                    [get_bd_cells unused_$index]
                connect_bd_net [get_bd_pins unused_$index/dout] [get_bd_pins core/$name]
                incr index
            }
        }
    }

    proc assign_addresses {settings ps} {
        set space [get_bd_addr_spaces ps/Data]
        foreach {segment base bytes} [list \
            core/s_axi/reg0 [dict get $settings core_base] [dict get $settings core_bytes] \
            dma/S_AXI_LITE/Reg [dict get $settings dma_base] [dict get $settings dma_bytes] \
        ] {
            assign_bd_address -offset $base -range $bytes -target_address_space $space \
                [get_bd_addr_segs $segment] -force
        }
        assign_bd_address
    }
}
