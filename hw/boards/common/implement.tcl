# Synthesis, place and route, and the files of the result.

namespace eval spikeloom {
    proc implement {settings folder jobs} {
        set design [get_files spikeloom.bd]
        set wrapper [make_wrapper -files $design -top]
        add_files -norecurse $wrapper
        set_property top spikeloom_wrapper [current_fileset]
        if {[llength [dict get $settings pins]] && [dict get $settings pins_file] ne ""} {
            add_files -fileset constrs_1 -norecurse [dict get $settings pins_file]
        }
        update_compile_order -fileset sources_1
        foreach {run step} {synth_1 {} impl_1 {-to_step write_bitstream}} {
            launch_runs $run {*}$step -jobs $jobs
            wait_on_run $run
            if {[get_property PROGRESS [get_runs $run]] ne "100%"} {
                fail "$run must end; it says [get_property STATUS [get_runs $run]];\
                    see $folder/system/system.runs/$run/runme.log"
            }
        }
        open_run impl_1
        report_utilization -file $folder/utilization.rpt
        report_timing_summary -file $folder/timing.rpt
        write_results $settings $folder
    }

    # A bitstream that misses its timing is not handed out.
    proc write_results {settings folder} {
        set slack [get_property SLACK [get_timing_paths -max_paths 1 -setup]]
        set period [expr {1000.0 / [dict get $settings clock_mhz]}]
        set reached [format %.1f [expr {1000.0 / ($period - $slack)}]]
        if {$slack < 0} {
            fail "the clock must reach [dict get $settings clock_mhz] MHz, not $reached MHz;\
                run spikeloom build with --clock-mhz below that, or a smaller preset;\
                see $folder/timing.rpt"
        }
        set name spikeloom
        write_hw_platform -fixed -include_bit -force -file $folder/$name.xsa
        file copy -force $folder/system/system.runs/impl_1/${name}_wrapper.bit $folder/$name.bit
        file copy -force \
            $folder/system/system.gen/sources_1/bd/$name/hw_handoff/$name.hwh $folder/$name.hwh
        set channel [open $folder/result.json w]
        puts $channel "{\"vivado\": \"[version -short]\", \"slack_ns\": $slack,\
            \"clock_reached_mhz\": $reached}"
        close $channel
        puts "spikeloom: wrote $name.bit, $name.hwh and $name.xsa; slack $slack ns"
    }
}
