// The ports of a core compiled by CXXRTL.
#include "core.cc"

#define INPUT_PORT(name, port, type) \
    void name(type value) { top.port.set<type>(value); }
#define OUTPUT_PORT(name, port, type) \
    type name() const { return top.port.get<type>(); }

struct Dut {
    cxxrtl_design::CORE_CLASS top;

    void eval() { top.step(); }

    INPUT_PORT(aclk, p_aclk, bool)
    INPUT_PORT(aresetn, p_aresetn, bool)
    INPUT_PORT(awaddr, p_s__axi__awaddr, uint32_t)
    INPUT_PORT(awprot, p_s__axi__awprot, uint8_t)
    INPUT_PORT(awvalid, p_s__axi__awvalid, bool)
    OUTPUT_PORT(awready, p_s__axi__awready, bool)
    INPUT_PORT(wdata, p_s__axi__wdata, uint32_t)
    INPUT_PORT(wstrb, p_s__axi__wstrb, uint8_t)
    INPUT_PORT(wvalid, p_s__axi__wvalid, bool)
    OUTPUT_PORT(wready, p_s__axi__wready, bool)
    OUTPUT_PORT(bresp, p_s__axi__bresp, uint8_t)
    OUTPUT_PORT(bvalid, p_s__axi__bvalid, bool)
    INPUT_PORT(bready, p_s__axi__bready, bool)
    INPUT_PORT(araddr, p_s__axi__araddr, uint32_t)
    INPUT_PORT(arprot, p_s__axi__arprot, uint8_t)
    INPUT_PORT(arvalid, p_s__axi__arvalid, bool)
    OUTPUT_PORT(arready, p_s__axi__arready, bool)
    OUTPUT_PORT(rdata, p_s__axi__rdata, uint32_t)
    OUTPUT_PORT(rresp, p_s__axi__rresp, uint8_t)
    OUTPUT_PORT(rvalid, p_s__axi__rvalid, bool)
    INPUT_PORT(rready, p_s__axi__rready, bool)
    INPUT_PORT(in_data, p_s__axis__tdata, uint64_t)
    INPUT_PORT(in_keep, p_s__axis__tkeep, uint8_t)
    INPUT_PORT(in_last, p_s__axis__tlast, bool)
    INPUT_PORT(in_valid, p_s__axis__tvalid, bool)
    OUTPUT_PORT(in_ready, p_s__axis__tready, bool)
    OUTPUT_PORT(out_data, p_m__axis__tdata, uint64_t)
    OUTPUT_PORT(out_keep, p_m__axis__tkeep, uint8_t)
    OUTPUT_PORT(out_last, p_m__axis__tlast, bool)
    OUTPUT_PORT(out_valid, p_m__axis__tvalid, bool)
    INPUT_PORT(out_ready, p_m__axis__tready, bool)
#ifdef SENSOR
    INPUT_PORT(aer_request, p_aer__request, bool)
    INPUT_PORT(aer_address, p_aer__address, uint32_t)
    OUTPUT_PORT(aer_acknowledge, p_aer__acknowledge, bool)
#endif
};
