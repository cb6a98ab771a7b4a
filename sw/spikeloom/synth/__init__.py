"""Resources and timing of a build, without the tools of an FPGA vendor.

:mod:`~spikeloom.synth.xc7` maps a build to Xilinx 7 series cells with Yosys and adds up the
delays of the cells on the longest path; :mod:`~spikeloom.synth.ecp5` places and routes it on a
Lattice ECP5 with nextpnr.  Both see the gateware as emitted RTLIL.
"""
