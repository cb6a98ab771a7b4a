"""What devices have: look-up tables, flip-flops, block RAMs, multipliers, under their own names."""

XC7Z020 = {"LUT": 53_200, "FF": 106_400, "RAMB36": 140, "DSP48E1": 220}
"""The Zynq-7020 (DS190, Zynq-7000 data sheet overview)."""

LFE5U_85F = {"LUT4": 83_640, "FF": 83_640, "DP16KD": 208, "MULT18X18D": 156}
"""The LFE5U-85F (FPGA-DS-02012, ECP5 family data sheet)."""

ZU3 = {"LUT": 70_560, "FF": 141_120, "RAMB36": 216, "DSP48E2": 360}
"""The Zynq UltraScale+ ZU3EG (DS891, overview)."""
