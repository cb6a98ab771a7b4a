// The far end of a simulated serial line: bytes in, bytes out, bit by bit on two pins.
//
// A byte is a start bit, eight bits with the low bit first and a stop bit, DIVISOR cycles each.

#include <cstdint>
#include <memory>

#include "core.cc"

namespace {

struct Line {
    cxxrtl_design::CORE_CLASS top;
    uint64_t cycles = 0;
    // what is being received: cycles to the next sample, bits left, the bits so far
    uint32_t wait = 0, left = 0, bits = 0;

    bool cycle(bool rx) {
        top.p_rx.set<bool>(rx);
        top.p_aclk.set<bool>(false);
        top.step();
        bool tx = top.p_tx.get<bool>();
        top.p_aclk.set<bool>(true);
        top.step();
        cycles++;
        return tx;
    }

    // One cycle with `rx` on the line; returns a received byte or -1.
    int advance(bool rx) {
        bool tx = cycle(rx);
        if (left == 0) {
            if (!tx) left = 9, wait = DIVISOR + DIVISOR / 2 - 1, bits = 0;
            return -1;
        }
        if (wait) { wait--; return -1; }
        wait = DIVISOR - 1;
        left--;
        if (left) { bits |= static_cast<uint32_t>(tx) << (8 - left); return -1; }
        return tx ? static_cast<int>(bits) : -1;
    }
};

}  // namespace

extern "C" {

Line* line_open() {
    auto line = std::make_unique<Line>();
    line->top.p_aresetn.set<bool>(false);
    for (int i = 0; i < 8; i++) line->cycle(true);
    line->top.p_aresetn.set<bool>(true);
    return line.release();
}

void line_close(Line* line) { delete line; }

uint64_t line_cycles(const Line* line) { return line->cycles; }

// Sends n_in bytes while it receives; ends when all are sent and `wanted` bytes are there, or
// after max_cycles.  Returns the number received, at most `capacity`.
uint64_t line_run(Line* line, const uint8_t* in, uint64_t n_in, uint8_t* out, uint64_t wanted,
                  uint64_t capacity, uint64_t max_cycles) {
    uint64_t taken = 0, end = line->cycles + max_cycles;
    for (uint64_t i = 0; i < n_in; i++) {
        uint32_t frame = static_cast<uint32_t>(in[i]) << 1 | 0x200;
        for (int bit = 0; bit < 10; bit++) {
            for (int k = 0; k < DIVISOR; k++) {
                int got = line->advance(frame >> bit & 1);
                if (got >= 0 && taken < capacity) out[taken++] = static_cast<uint8_t>(got);
            }
        }
    }
    while (taken < wanted && line->cycles < end) {
        int got = line->advance(true);
        if (got >= 0 && taken < capacity) out[taken++] = static_cast<uint8_t>(got);
    }
    return taken;
}
}
