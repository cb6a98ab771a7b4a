# Versions, settings and errors: what every script here relies on.

namespace eval spikeloom {
    variable versions {2022.1 2022.2 2023.1 2023.2 2024.1 2024.2 2025.1 2025.2}

    # Stop with one line that says what is wrong and what to do.
    proc fail {message} {
        return -code error "spikeloom: $message"
    }

    # Refuse a Vivado that these scripts were not written for.
    proc check_version {} {
        variable versions
        set found [version -short]
        if {![regexp {^(\d{4}\.\d)} $found -> release] || $release ni $versions} {
            fail "Vivado must be one of $versions, not $found"
        }
        puts "spikeloom: Vivado $found"
    }

    # Refuse settings.tcl without one of the values that the scripts use.
    proc check_settings {settings} {
        foreach name {
            board family part board_parts clock_mhz preset build_id vlnv verilog
            core_base core_bytes dma_base dma_bytes dma_length_bits registers pins pins_file
        } {
            if {![dict exists $settings $name]} {
                fail "settings.tcl must set $name; write the folder anew with spikeloom build"
            }
        }
        if {[dict get $settings family] ni {zynq zynqmp}} {
            fail "family must be zynq or zynqmp, not [dict get $settings family]"
        }
    }

    # Return the one object of a list; what says which is missing.
    proc one {objects what} {
        if {[llength $objects] != 1} {
            fail "there must be one $what, not [llength $objects]"
        }
        return [lindex $objects 0]
    }
}
