import Testing

@testable import Control

struct UnitsTests {
    @Test func durations() {
        #expect(Units.duration("250ms") == .milliseconds(250))
        #expect(Units.duration("0.1s") == .milliseconds(100))
        #expect(Units.duration("1.5h") == .seconds(5400))
        #expect(Units.duration("90m") == .seconds(5400))
        #expect(Units.duration("2d") == .seconds(172_800))
        #expect(Units.duration("7us") == .microseconds(7))
        #expect(Units.duration("0s") == .zero)
        #expect(Units.duration("0.999999999d") == .nanoseconds(86_399_999_913_600))
        for text in ["", "5", "s", "5 s", " 5s", "5S", "-5s", "+5s", "1e3s", ".5s", "5.s", "1.2.3s", "٣s", "5ss"] {
            #expect(Units.duration(text) == nil, "\(text)")
        }
        #expect(Units.duration("9223372036854775807d") == nil)
        #expect(Units.duration("0.0000000001s") == nil)
    }

    @Test func sizes() {
        #expect(Units.size("64KiB") == 65536)
        #expect(Units.size("1.5MiB") == 1_572_864)
        #expect(Units.size("512MiB") == 512 << 20)
        #expect(Units.size("2GiB") == 2 << 30)
        #expect(Units.size("7B") == 7)
        for text in ["64", "64KB", "64kib", "-1B", "99999999999GiB"] { #expect(Units.size(text) == nil, "\(text)") }
    }

    @Test func shares() {
        #expect(Units.share("50%") == 0.5)
        #expect(Units.share("0%") == 0)
        #expect(Units.share("100%") == 1)
        #expect(Units.share("0.5%") == 0.005)
        for text in ["50", "100.1%", "-1%", "%"] { #expect(Units.share(text) == nil, "\(text)") }
    }

    @Test func numbers() {
        #expect(Units.integer("0") == 0)
        #expect(Units.integer("-12") == -12)
        for text in ["010", "1_000", "1e3", "+1", "0x10", "", "-", "٣", "99999999999999999999"] {
            #expect(Units.integer(text) == nil, "\(text)")
        }
        #expect(Units.mark("0x10") == 16)
        #expect(Units.mark("16") == 16)
        #expect(Units.mark("0xFFFFFFFF") == .max)
        for text in ["0x", "0x-1", "0x+1", "0x1ffffffff", "-1", "ten"] { #expect(Units.mark(text) == nil, "\(text)") }
    }

    @Test func spelling() {
        let names = ["workers", "zone", "podCIDRs", "outboundPort"]
        #expect(Spelling.nearest(to: "worker", among: names) == "workers")
        #expect(Spelling.nearest(to: "wrokers", among: names) == "workers")
        #expect(Spelling.nearest(to: "podCidrs", among: names) == "podCIDRs")
        #expect(Spelling.nearest(to: "out-bound-port", among: names) == "outboundPort")
        #expect(Spelling.nearest(to: "color", among: names) == nil)
        #expect(Spelling.nearest(to: "", among: names) == nil)
    }
}
