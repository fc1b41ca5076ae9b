import Syscalls
import Testing

@testable import Failover

/// What the end of a probe's connection says.
struct ProbeTests {
    @Test func aResetIsNoRefusal() {
        func isReset(_ errno: Errno) -> Bool { if case .reset = Probe.result(errno) { true } else { false } }
        func isRefused(_ errno: Errno) -> Bool { if case .refused = Probe.result(errno) { true } else { false } }
        #expect(isReset(.reset) && !isRefused(.reset), "taken and not served: it counts against the proxy")
        #expect(isRefused(.connectionRefused) && !isReset(.connectionRefused))
        #expect(!isReset(.timedOut) && !isRefused(.timedOut))
    }
}
