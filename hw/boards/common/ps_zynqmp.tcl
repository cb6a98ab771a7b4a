# The processing system of a Zynq UltraScale+: one AXI master for registers, one slave for the
# DMA.  The version of the IP is the one that this Vivado has.

namespace eval spikeloom {
    proc create_ps {settings has_board} {
        create_bd_cell -type ip -vlnv xilinx.com:ip:zynq_ultra_ps_e ps
        if {$has_board} {
            apply_bd_automation -rule xilinx.com:bd_rule:zynq_ultra_ps_e \
                -config {apply_board_preset 1} [get_bd_cells ps]
        }
        set_property -dict [list \
            CONFIG.PSU__USE__M_AXI_GP0 1 \
            CONFIG.PSU__USE__M_AXI_GP1 0 \
            CONFIG.PSU__USE__M_AXI_GP2 0 \
            CONFIG.PSU__USE__S_AXI_GP2 1 \
            CONFIG.PSU__MAXIGP0__DATA_WIDTH 32 \
            CONFIG.PSU__SAXIGP2__DATA_WIDTH 64 \
            CONFIG.PSU__USE__IRQ0 1 \
            CONFIG.PSU__FPGA_PL0_ENABLE 1 \
            CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ [dict get $settings clock_mhz] \
        ] [get_bd_cells ps]
        return {
            clock pl_clk0 reset pl_resetn0 interrupt pl_ps_irq0
            master M_AXI_HPM0_FPD master_clock maxihpm0_fpd_aclk
            slave S_AXI_HP0_FPD slave_clock saxihp0_fpd_aclk
            data_width 64 address_bits 40
        }
    }
}
