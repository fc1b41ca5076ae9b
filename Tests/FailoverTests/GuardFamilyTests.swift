import Model
import Testing

@testable import Failover

/// What the guard asks must be something that the rules lead to the proxy.
struct GuardFamilyTests {
    /// No rule takes IPv6 on a host whose pods have none: a probe of it would look like a hang.
    @Test func onlyFamiliesOfPodsAreProbed() throws {
        var configuration = Configuration()
        configuration.interception = .init(podCIDRs: [try #require(CIDR("10.1.0.0/24"))])
        #expect(Guard.families(of: configuration) == [.v4])
        configuration.interception = .init(podCIDRs: [try #require(CIDR("fd01::/64"))])
        #expect(!Guard.families(of: configuration).contains(.v4))
    }

    /// A remote has no pods of its own.
    @Test func aRemoteHasThoseOfItsHosts() throws {
        var configuration = Configuration()
        configuration.interception = .init(podCIDRs: [])
        configuration.failover.protects = [
            .init(
                id: 1, node: "a", address: try #require(IPAddress("10.99.0.11")),
                podCIDRs: [try #require(CIDR("10.1.0.0/24"))], tunnel: .init())
        ]
        #expect(Guard.families(of: configuration) == [.v4])
    }
}
