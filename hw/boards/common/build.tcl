# Builds the overlay in this folder: vivado -mode batch -notrace -source build.tcl
#
# settings.tcl, the core's Verilog and the scripts beside this one were written by
# "spikeloom build"; the folder may be copied to another machine as a whole.

set folder [file dirname [file normalize [info script]]]
cd $folder
source $folder/settings.tcl
foreach script {check package_ip design implement} {
    source $folder/$script.tcl
}
spikeloom::check_version
spikeloom::check_settings $settings
source $folder/ps_[dict get $settings family].tcl
set jobs 2
if {[info exists ::env(SPIKELOOM_JOBS)]} {
    set jobs $::env(SPIKELOOM_JOBS)
}
spikeloom::package_ip $settings $folder
spikeloom::create_design $settings $folder
spikeloom::implement $settings $folder $jobs
