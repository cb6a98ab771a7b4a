"""What devices have: look-up tables, flip-flops, block RAMs, multipliers, under their own names."""

XC7Z020 = {"LUT": 53_200, "FF": 106_400, "RAMB36": 140, "DSP48E1": 220}
"""The Zynq-7020 (DS190, Zynq-7000 data sheet overview)."""

LFE5U_85F = {"LUT4": 83_640, "FF": 83_640, "DP16KD": 208, "MULT18X18D": 156}
"""The LFE5U-85F (FPGA-DS-02012, ECP5 family data sheet)."""

ICE40UP5K = {"LC": 5_280, "EBR": 30, "SPRAM": 4, "DSP": 8}
"""The iCE40UP5K (FPGA-DS-02008, iCE40 UltraPlus family data sheet): logic cells, block RAMs of
4 kbit, single-port RAMs of 256 kbit, multipliers."""

ZU3 = {"LUT": 70_560, "FF": 141_120, "RAMB36": 216, "DSP48E2": 360}
"""The Zynq UltraScale+ ZU3EG (DS891, overview)."""
