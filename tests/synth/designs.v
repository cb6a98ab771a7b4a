// Small designs of 7 series primitives whose longest paths are added up by hand in test_designs.py.

module ff_to_ff (input clk, input d, output q);
  wire a;
  FDRE first (.C(clk), .CE(1'b1), .R(1'b0), .D(d), .Q(a));
  FDRE second (.C(clk), .CE(1'b1), .R(1'b0), .D(a), .Q(q));
endmodule

// FDRE -> LUT2.I0 -> LUT6.I1 -> LUT1.I0 -> FDRE.D, and the quicker way round to the clock enable.
module lut_chain (input clk, input d, input [6:0] other, output q);
  wire a, b, c, e;
  FDRE first (.C(clk), .CE(1'b1), .R(1'b0), .D(d), .Q(a));
  LUT2 #(.INIT(4'h6)) u (.I0(a), .I1(other[0]), .O(b));
  LUT6 #(.INIT(64'h5)) v (.I0(other[1]), .I1(b), .I2(other[2]), .I3(other[3]), .I4(other[4]),
                          .I5(other[5]), .O(c));
  LUT1 #(.INIT(2'h1)) w (.I0(c), .O(e));
  FDRE last (.C(clk), .CE(b), .R(other[6]), .D(e), .Q(q));
endmodule

// An adder of 12 bits: the first bit's S, along the chain of three CARRY4, out at the last sum bit.
module carry_chain (input clk, input d, output q);
  wire a;
  wire [3:0] c0, c1, o2;
  FDRE first (.C(clk), .CE(1'b1), .R(1'b0), .D(d), .Q(a));
  CARRY4 u (.CI(1'b0), .CYINIT(1'b0), .DI(4'b0), .S({3'b111, a}), .CO(c0));
  CARRY4 v (.CI(c0[3]), .CYINIT(1'b0), .DI(4'b0), .S(4'b1111), .CO(c1));
  CARRY4 w (.CI(c1[3]), .CYINIT(1'b0), .DI(4'b0), .S(4'b1111), .O(o2));
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(o2[3]), .Q(q));
endmodule

module bram_to_ff #(parameter REGISTERED = 0) (input clk, input [3:0] address, output q);
  wire [31:0] data;
  wire [3:0] row;
  genvar i;
  for (i = 0; i < 4; i = i + 1)
    FDRE r (.C(clk), .CE(1'b1), .R(1'b0), .D(address[i]), .Q(row[i]));
  RAMB36E1 #(.DOA_REG(REGISTERED), .READ_WIDTH_A(36)) ram (
    .CLKARDCLK(clk), .ENARDEN(1'b1), .REGCEAREGCE(1'b1), .ADDRARDADDR({7'b0, row, 5'b0}),
    .DOADO(data));
  LUT1 #(.INIT(2'h1)) u (.I0(data[7]), .O(e));
  wire e;
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(e), .Q(q));
endmodule

module bram_to_ff_registered (input clk, input [3:0] address, output q);
  bram_to_ff #(.REGISTERED(1)) inner (.clk(clk), .address(address), .q(q));
endmodule

module lutram (input clk, input [4:0] address, input [1:0] d, input write, output q);
  wire [4:0] row;
  wire [1:0] data;
  genvar i;
  for (i = 0; i < 5; i = i + 1)
    FDRE r (.C(clk), .CE(1'b1), .R(1'b0), .D(address[i]), .Q(row[i]));
  RAM32M ram (.WCLK(clk), .WE(write), .ADDRA(row), .ADDRB(5'b0), .ADDRC(5'b0), .ADDRD(row),
              .DIA(d), .DIB(2'b0), .DIC(2'b0), .DID(2'b0), .DOA(data));
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(data[1]), .Q(q));
endmodule

module dsp #(parameter A = 1, parameter M = 1, parameter P = 1)
  (input clk, input a, input b, input c, output q);
  wire x, y, z;
  wire [47:0] p;
  FDRE fa (.C(clk), .CE(1'b1), .R(1'b0), .D(a), .Q(x));
  FDRE fb (.C(clk), .CE(1'b1), .R(1'b0), .D(b), .Q(y));
  FDRE fc (.C(clk), .CE(1'b1), .R(1'b0), .D(c), .Q(z));
  DSP48E1 #(.AREG(A), .BREG(A), .CREG(A), .MREG(M), .PREG(P), .USE_MULT("MULTIPLY"),
            .USE_DPORT("FALSE")) mul (
    .CLK(clk), .A({29'b0, x}), .B({17'b0, y}), .C({47'b0, z}), .OPMODE(7'b0110101), .P(p));
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(p[0]), .Q(q));
endmodule

module dsp_registered (input clk, input a, input b, input c, output q);
  dsp inner (.clk(clk), .a(a), .b(b), .c(c), .q(q));
endmodule

module dsp_product_only (input clk, input a, input b, input c, output q);
  dsp #(.A(0), .M(0), .P(1)) inner (.clk(clk), .a(a), .b(b), .c(c), .q(q));
endmodule

module dsp_bare (input clk, input a, input b, input c, output q);
  dsp #(.A(0), .M(0), .P(0)) inner (.clk(clk), .a(a), .b(b), .c(c), .q(q));
endmodule

module loop (input clk, input d, output q);
  wire a, b;
  LUT2 #(.INIT(4'h8)) u (.I0(d), .I1(b), .O(a));
  LUT1 #(.INIT(2'h1)) v (.I0(a), .O(b));
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(a), .Q(q));
endmodule

module two_clocks (input clk, input other, input d, output q);
  wire a;
  FDRE first (.C(clk), .CE(1'b1), .R(1'b0), .D(d), .Q(a));
  FDRE second (.C(other), .CE(1'b1), .R(1'b0), .D(a), .Q(q));
endmodule

module not_driven (input clk, output q);
  wire nothing;
  FDRE last (.C(clk), .CE(1'b1), .R(1'b0), .D(nothing), .Q(q));
endmodule

module latch (input g, input d, output q);
  LDCE u (.G(g), .GE(1'b1), .CLR(1'b0), .D(d), .Q(q));
endmodule
