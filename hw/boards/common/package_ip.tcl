# The core as an IP: inferred AXI interfaces, and every register described, so that the .hwh
# of a design names them and pynq's register_map works.

namespace eval spikeloom {
    proc package_ip {settings folder} {
        set verilog [file normalize [dict get $settings verilog]]
        if {![file exists $verilog]} {
            fail "the core's Verilog $verilog must exist; write the folder anew with spikeloom build"
        }
        lassign [split [dict get $settings vlnv] :] vendor library name version
        create_project -force -part [dict get $settings part] package $folder/package
        add_files -norecurse $verilog
        set_property top $name [current_fileset]
        update_compile_order -fileset sources_1
        ipx::package_project -root_dir $folder/ip -vendor $vendor -library $library \
            -taxonomy /UserIP -import_files -force
        set core [ipx::current_core]
        set_property name $name $core
        set_property version $version $core
        set_property display_name "SpikeLoom core" $core
        set_property description "Event-driven spiking neural network core, \
            build [dict get $settings build_id] ([dict get $settings preset])" $core
        set_property supported_families {zynq Production zynquplus Production} $core
        foreach bus {s_axi s_axis m_axis} {
            one [ipx::get_bus_interfaces -quiet $bus -of_objects $core] "bus interface $bus"
            ipx::associate_bus_interfaces -busif $bus -clock aclk $core
        }
        describe_registers $settings $core
        ipx::create_xgui_files $core
        ipx::update_checksums $core
        ipx::check_integrity $core
        ipx::save_core $core
        close_project
        return $folder/ip
    }

    proc describe_registers {settings core} {
        set bus [ipx::get_bus_interfaces s_axi -of_objects $core]
        if {[llength [ipx::get_memory_maps -quiet s_axi -of_objects $core]] == 0} {
            ipx::add_memory_map s_axi $core
            set_property slave_memory_map_ref s_axi $bus
        }
        set map [ipx::get_memory_maps s_axi -of_objects $core]
        if {[llength [ipx::get_address_blocks -quiet reg0 -of_objects $map]] == 0} {
            ipx::add_address_block reg0 $map
        }
        set block [ipx::get_address_blocks reg0 -of_objects $map]
        set_property range [dict get $settings core_bytes] $block
        set_property usage register $block
        foreach register [dict get $settings registers] {
            lassign $register name offset access description fields
            ipx::add_register $name $block
            set object [ipx::get_registers $name -of_objects $block]
            set_property address_offset $offset $object
            set_property size 32 $object
            set_property access $access $object
            set_property description $description $object
            foreach field $fields {
                lassign $field field_name lsb bits field_access field_description
                ipx::add_field $field_name $object
                set part [ipx::get_fields $field_name -of_objects $object]
                set_property bit_offset $lsb $part
                set_property bit_width $bits $part
                set_property access $field_access $part
                set_property description $field_description $part
            }
        }
    }
}
