import Model
import Testing

@testable import Control

/// What differs in a file for a process that stands in for others only.
struct RemoteModeTests {
    private func load(_ mode: String, _ interception: String) throws -> Configuration {
        try LoaderTests.load(
            """
            version: 1
            node: {name: node-r, mode: \(mode)}
            interception: \(interception)
            failover:
              protects:
                - {node: node-a, address: 10.99.0.11, podCIDRs: [10.1.0.0/24], tunnel: {vni: 7011}}
            pods:
              - {name: shop/cart, node: node-a, addresses: [10.1.0.2]}
              - {name: shop/cart, node: node-b, addresses: [10.2.0.2]}
            """)
    }

    @Test func itNeedsNoPodsOfItsOwn() throws {
        let configuration = try load("remote", "{}")
        #expect(configuration.interception?.podCIDRs.isEmpty == true)
        #expect(configuration.pods.map(\.host) == [1] && configuration.failover.protects.map(\.id) == [1])
    }

    @Test func itsPortsAreNotThoseOfLocalProxies() throws {
        #expect(try load("remote", "{}").interception?.sourcePorts == PortRange(20000, 29999))
        #expect(try load("remote", "{sourcePorts: 21000-21999}").interception?.sourcePorts == PortRange(21000, 21999))
        let local = try load("local", "{podCIDRs: [10.9.0.0/24]}")
        #expect(local.interception?.sourcePorts == PortRange(10240, 19999))
        #expect(local.failover.sourcePorts == PortRange(20000, 29999))
    }
}
