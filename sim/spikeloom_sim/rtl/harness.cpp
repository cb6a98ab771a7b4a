// The bus master of a simulated core: whole arrays per call, one library per design.
//
// Compiled together with one of the ports_*.h adapters, which give `struct Dut`:
// eval(), the clock, the reset and one accessor per port of the top module.
//
// A cycle is two evaluations: with the clock low the new inputs settle and the handshakes
// are sampled; then the clock rises.  Every loop ends after a bounded number of cycles.

#include <cstdint>
#include <memory>
#include <vector>

#include DUT_PORTS

namespace {

enum Status : int { DONE = 0, TIMEOUT = 1, OVERRUN = 2, BUS_ERROR = 3, PROTOCOL = 4 };

struct Random {  // xorshift64*
    uint64_t state;
    explicit Random(uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ull | 1) {}
    bool below(uint32_t per_65536) {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        return ((state * 0x2545F4914F6CDD1Dull) >> 48) < per_65536;
    }
};

struct Camera {  // a sender of the 4-phase handshake, high active; each event not before its cycle
    std::vector<uint32_t> addresses;
    std::vector<uint64_t> starts;
    size_t next = 0;
    bool request = false, back = true;

    void step(Dut& dut, uint64_t now) {
#ifdef SENSOR
        bool acknowledge = dut.aer_acknowledge();
        if (request && acknowledge) request = false, back = false, next++;
        else if (!request && !acknowledge) back = true;
        if (!request && back && next < starts.size() && now >= starts[next]) {
            dut.aer_address(addresses[next]);
            request = true;
        }
        dut.aer_request(request);
#endif
    }
};

struct Core {
    Dut dut;
    Camera camera;
    uint64_t cycles = 0;

    void settle() {
        camera.step(dut, cycles);
        dut.aclk(0);
        dut.eval();
    }
    void rise() {
        dut.aclk(1);
        dut.eval();
        cycles++;
    }
    void idle_inputs() {
        dut.awvalid(0), dut.wvalid(0), dut.arvalid(0), dut.bready(0), dut.rready(0);
        dut.awprot(0), dut.arprot(0), dut.wstrb(0xF);
        dut.in_valid(0), dut.in_last(0), dut.in_keep(0xFF), dut.out_ready(0);
    }
};

}  // namespace

extern "C" {

Core* core_open() {
    auto core = std::make_unique<Core>();
    core->idle_inputs();
    core->dut.aresetn(0);
    for (int i = 0; i < 8; i++) core->settle(), core->rise();
    core->dut.aresetn(1);
    return core.release();
}

void core_close(Core* core) { delete core; }

uint64_t core_cycles(const Core* core) { return core->cycles; }

void core_wait(Core* core, uint64_t n) {
    while (n--) core->settle(), core->rise();
}

// Gives the camera n events, at cycles from now on; what it still had to send is forgotten.
void core_camera(Core* core, const uint32_t* addresses, const uint64_t* starts, uint64_t n) {
    Camera& camera = core->camera;
    camera.addresses.assign(addresses, addresses + n);
    camera.starts.assign(starts, starts + n);
    for (uint64_t& start : camera.starts) start += core->cycles;
    camera.next = 0;
}

// Writes n words from `address` on, addresses ahead of answers.  *at is the word that failed.
int core_write(Core* core, uint32_t address, const uint32_t* words, uint64_t n,
               uint64_t max_cycles, uint64_t* at) {
    Dut& dut = core->dut;
    uint64_t aw = 0, w = 0, b = 0, limit = core->cycles + max_cycles;
    int status = TIMEOUT;
    dut.wstrb(0xF), dut.bready(1);
    while (b < n && core->cycles < limit) {
        dut.awvalid(aw < n), dut.wvalid(w < n);
        if (aw < n) dut.awaddr(address + 4 * static_cast<uint32_t>(aw));
        if (w < n) dut.wdata(words[w]);
        core->settle();
        bool took_aw = aw < n && dut.awready(), took_w = w < n && dut.wready();
        if (dut.bvalid()) {
            if (b >= aw || b >= w) { status = PROTOCOL; break; }
            if (dut.bresp() && status == TIMEOUT) status = BUS_ERROR, *at = b;
            b++;
        }
        core->rise();
        aw += took_aw, w += took_w;
    }
    dut.awvalid(0), dut.wvalid(0), dut.bready(0);
    if (status == PROTOCOL || b < n) { *at = b; return status == PROTOCOL ? PROTOCOL : TIMEOUT; }
    return status == BUS_ERROR ? BUS_ERROR : DONE;
}

// Reads n words from `address` on.  *at is the word that failed.
int core_read(Core* core, uint32_t address, uint32_t* words, uint64_t n, uint64_t max_cycles,
              uint64_t* at) {
    Dut& dut = core->dut;
    uint64_t ar = 0, r = 0, limit = core->cycles + max_cycles;
    int status = TIMEOUT;
    dut.rready(1);
    while (r < n && core->cycles < limit) {
        dut.arvalid(ar < n);
        if (ar < n) dut.araddr(address + 4 * static_cast<uint32_t>(ar));
        core->settle();
        bool took = ar < n && dut.arready();
        if (dut.rvalid()) {
            if (r >= ar) { status = PROTOCOL; break; }
            words[r] = dut.rdata();
            if (dut.rresp() && status == TIMEOUT) status = BUS_ERROR, *at = r;
            r++;
        }
        core->rise();
        ar += took;
    }
    dut.arvalid(0), dut.rready(0);
    if (status == PROTOCOL || r < n) { *at = r; return status == PROTOCOL ? PROTOCOL : TIMEOUT; }
    return status == BUS_ERROR ? BUS_ERROR : DONE;
}

// Sends one packet and takes the one that comes back.  The stalls are probabilities in
// 1/65536: that a beat which could be offered waits a cycle, and that TREADY is low.
// counts[0], counts[1], counts[2] are the beats sent, the beats taken and the cycles.
int core_exchange(Core* core, const uint64_t* in, uint64_t n_in, uint64_t* out, uint64_t capacity,
                  uint64_t max_cycles, uint32_t stall_in, uint32_t stall_out, uint64_t seed,
                  uint64_t* counts) {
    Dut& dut = core->dut;
    Random random(seed);
    uint64_t sent = 0, taken = 0, start = core->cycles, held = 0;
    int status = TIMEOUT;
    bool offered = false, waiting = false, held_last = false;
    while (core->cycles - start < max_cycles) {
        offered = sent < n_in && (offered || !(stall_in && random.below(stall_in)));
        bool ready = !(stall_out && random.below(stall_out));
        dut.in_valid(offered), dut.out_ready(ready);
        if (offered) dut.in_data(in[sent]), dut.in_last(sent + 1 == n_in);
        core->settle();
        bool took = offered && dut.in_ready(), valid = dut.out_valid(), last = false;
        if (valid) {
            uint64_t data = dut.out_data();
            last = dut.out_last();
            if (dut.out_keep() != 0xFF || (waiting && (data != held || last != held_last))) {
                status = PROTOCOL;
                break;
            }
            held = data, held_last = last, waiting = !ready;
            if (ready) {
                if (taken == capacity) { status = OVERRUN; break; }
                out[taken++] = data;
            }
        } else if (waiting) {
            status = PROTOCOL;  // TVALID may not fall before TREADY
            break;
        }
        core->rise();
        if (took) sent++, offered = false;
        if (valid && ready && last) { status = DONE; break; }
    }
    dut.in_valid(0), dut.in_last(0), dut.out_ready(0);
    counts[0] = sent, counts[1] = taken, counts[2] = core->cycles - start;
    return status;
}
}
