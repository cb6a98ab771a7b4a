# The processing system of a Zynq-7000: one AXI master for registers, one slave for the DMA.

namespace eval spikeloom {
    proc create_ps {settings has_board} {
        create_bd_cell -type ip -vlnv xilinx.com:ip:processing_system7:5.5 ps
        apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 -config [list \
            make_external "FIXED_IO, DDR" apply_board_preset $has_board \
            Master Disable Slave Disable] [get_bd_cells ps]
        set_property -dict [list \
            CONFIG.PCW_USE_M_AXI_GP0 1 \
            CONFIG.PCW_USE_S_AXI_HP0 1 \
            CONFIG.PCW_S_AXI_HP0_DATA_WIDTH 64 \
            CONFIG.PCW_USE_FABRIC_INTERRUPT 1 \
            CONFIG.PCW_IRQ_F2P_INTR 1 \
            CONFIG.PCW_EN_CLK0_PORT 1 \
            CONFIG.PCW_EN_RST0_PORT 1 \
            CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ [dict get $settings clock_mhz] \
        ] [get_bd_cells ps]
        return {
            clock FCLK_CLK0 reset FCLK_RESET0_N interrupt IRQ_F2P
            master M_AXI_GP0 master_clock M_AXI_GP0_ACLK
            slave S_AXI_HP0 slave_clock S_AXI_HP0_ACLK
            data_width 64 address_bits 32
        }
    }
}
