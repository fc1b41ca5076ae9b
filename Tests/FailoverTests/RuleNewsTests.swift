import Testing

@testable import Failover
@testable import Syscalls

struct RuleNewsTests {
    private static let device = Array("apus-guard".utf8) + [0]
    private static let address: [UInt8] = [169, 254, 112, 3]
    private static let own = RuleNews.Own(tables: [1500, 1501, 1601], podDevice: device, podAddresses: [address])

    /// A message with an attribute after its header of 12 (or 16) bytes.
    private func news(_ type: UInt16, attribute: UInt16, _ value: [UInt8], header: Int = 12) -> RuleNews {
        let length = UInt16(4 + value.count)
        let bytes =
            [UInt8](repeating: 0, count: header) + [UInt8(length & 255), UInt8(length >> 8), UInt8(attribute), 0]
            + value
        return RuleNews.routing(KernelEvents.Message(type: type, payload: bytes[...]), Self.own)
    }

    private func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

    @Test func onlyOwnRoutesRulesAndDevicesMatter() {
        #expect(news(25, attribute: 15, number(1500)) == .ours)
        #expect(news(24, attribute: 15, number(1601)) == .ours)
        #expect(news(25, attribute: 15, number(254)) == .none)
        #expect(news(33, attribute: 6, number(100)) == .ours)
        #expect(news(33, attribute: 6, number(32000)) == .none)
        #expect(news(25, attribute: 15, number(2004)) == .none, "another protected host's, or somebody else's")
        #expect(news(16, attribute: 3, Array("apus-tun".utf8) + [0], header: 16) == .ours)
        #expect(news(17, attribute: 3, Array("veth1".utf8) + [0], header: 16) == .none)
    }

    /// A routing daemon has thousands of next hops.
    @Test func othersNextHopsAreNoNews() {
        for own: UInt32 in [1504, 1506, 150_401, 150_664] {
            #expect(news(104, attribute: 1, number(own), header: 8) == .ours, "\(own)")
            #expect(news(105, attribute: 1, number(own), header: 8) == .ours, "\(own)")
        }
        for foreign: UInt32 in [1, 1505, 150_301, 150_501, .max] {
            #expect(news(104, attribute: 1, number(foreign), header: 8) == .none, "\(foreign)")
        }
    }

    @Test func theSyntheticPodsEndIsSeen() {
        #expect(news(17, attribute: 3, Self.device, header: 16) == .pod)
        #expect(news(16, attribute: 3, Self.device, header: 16) == .none)
        #expect(news(25, attribute: 1, Self.address) == .pod)
    }

    @Test func tablesAreToldApartByTheirNames() {
        func news(_ name: String) -> RuleNews {
            RuleNews.tables(KernelEvents.Message(type: 0, payload: Array(name.utf8) + [0]))
        }
        #expect(news("xxapus") == .ours && news("APUS_PRE") == .ours)
        #expect(news("firewalld") == .none && news("apus2") == .none)
    }

    @Test func datagramsAreSplitAndWrongLengthsEndThem() {
        let one: [UInt8] = number(20) + [24, 0] + [UInt8](repeating: 0, count: 10) + [1, 2, 3, 4]
        #expect(KernelEvents.messages((one + one)[...]).map(\.type) == [24, 24])
        #expect(KernelEvents.messages(one[...]).first?.payload == [1, 2, 3, 4])
        for count in 0..<20 { #expect(KernelEvents.messages(one[..<count]).isEmpty) }
        for length: UInt32 in [0, 15, 21, .max] {
            #expect(KernelEvents.messages((number(length) + one.dropFirst(4))[...]).isEmpty, "\(length)")
        }
    }

    /// Whatever comes, nothing traps.
    @Test func anyBytesAreRead() {
        var random = SeededRandom(seed: 1)
        for _ in 0..<5000 {
            let bytes = (0..<Int.random(in: 0..<80, using: &random)).map { _ in UInt8.random(in: 0..<40, using: &random)
            }
            for message in KernelEvents.messages(bytes[...]) {
                _ = RuleNews.routing(message, Self.own)
            }
            let message = KernelEvents.Message(type: .random(in: 16...105, using: &random), payload: bytes[...])
            _ = RuleNews.routing(message, Self.own)
        }
    }
}
