// The ports of a core compiled by Verilator.
#include "Vcore.h"
#include "verilated.h"

#define INPUT_PORT(name, port, type) \
    void name(type value) { top->port = value; }
#define OUTPUT_PORT(name, port, type) \
    type name() const { return top->port; }

struct Dut {
    std::unique_ptr<VerilatedContext> context = std::make_unique<VerilatedContext>();
    std::unique_ptr<Vcore> top = std::make_unique<Vcore>(context.get());

    void eval() { top->eval(); }

    INPUT_PORT(aclk, aclk, bool)
    INPUT_PORT(aresetn, aresetn, bool)
    INPUT_PORT(awaddr, s_axi_awaddr, uint32_t)
    INPUT_PORT(awprot, s_axi_awprot, uint8_t)
    INPUT_PORT(awvalid, s_axi_awvalid, bool)
    OUTPUT_PORT(awready, s_axi_awready, bool)
    INPUT_PORT(wdata, s_axi_wdata, uint32_t)
    INPUT_PORT(wstrb, s_axi_wstrb, uint8_t)
    INPUT_PORT(wvalid, s_axi_wvalid, bool)
    OUTPUT_PORT(wready, s_axi_wready, bool)
    OUTPUT_PORT(bresp, s_axi_bresp, uint8_t)
    OUTPUT_PORT(bvalid, s_axi_bvalid, bool)
    INPUT_PORT(bready, s_axi_bready, bool)
    INPUT_PORT(araddr, s_axi_araddr, uint32_t)
    INPUT_PORT(arprot, s_axi_arprot, uint8_t)
    INPUT_PORT(arvalid, s_axi_arvalid, bool)
    OUTPUT_PORT(arready, s_axi_arready, bool)
    OUTPUT_PORT(rdata, s_axi_rdata, uint32_t)
    OUTPUT_PORT(rresp, s_axi_rresp, uint8_t)
    OUTPUT_PORT(rvalid, s_axi_rvalid, bool)
    INPUT_PORT(rready, s_axi_rready, bool)
    INPUT_PORT(in_data, s_axis_tdata, uint64_t)
    INPUT_PORT(in_keep, s_axis_tkeep, uint8_t)
    INPUT_PORT(in_last, s_axis_tlast, bool)
    INPUT_PORT(in_valid, s_axis_tvalid, bool)
    OUTPUT_PORT(in_ready, s_axis_tready, bool)
    OUTPUT_PORT(out_data, m_axis_tdata, uint64_t)
    OUTPUT_PORT(out_keep, m_axis_tkeep, uint8_t)
    OUTPUT_PORT(out_last, m_axis_tlast, bool)
    OUTPUT_PORT(out_valid, m_axis_tvalid, bool)
    INPUT_PORT(out_ready, m_axis_tready, bool)
#ifdef SENSOR
    INPUT_PORT(aer_request, aer_request, bool)
    INPUT_PORT(aer_address, aer_address, uint32_t)
    OUTPUT_PORT(aer_acknowledge, aer_acknowledge, bool)
#endif
};
