import Control
import Foundation
import Loopback
import Model
import Testing

/// One file serves a fleet: hosts, their buddies, and remotes.
@Suite(OwnThreadTrait()) struct FleetTests {
    private func load(_ text: String, _ node: String, mode: String = "local", prefixes: [String] = [])
        throws(ConfigurationProblems) -> Configuration
    {
        let environment = [
            "NODE_NAME": node, "APUS_MODE": mode, "POD_CIDR": prefixes.first ?? "",
            "POD_CIDR_2": prefixes.dropFirst().first ?? "",
        ]
        return try ConfigurationLoader(file: "apus.yaml", environment: environment).load(text)
    }

    private func example(_ name: String, _ node: String) throws -> Configuration {
        try load(Deployment.text("config/\(name)"), node)
    }

    @Test func theBaseServesEveryHost() throws {
        let text = try #require(try Manifests("k8s/base").configuration)
        let one = try load(text, "a", prefixes: ["10.1.0.0/24"])
        #expect(one.interception?.podCIDRs.map(\.description) == ["10.1.0.0/24"])
        let both = try load(text, "a", prefixes: ["10.1.0.0/24", "fd01::/64"])
        #expect(both.interception?.podCIDRs.map(\.description) == ["10.1.0.0/24", "fd01::/64"])
        #expect(both.failover.policy == [.direct])
        // A host whose prefix is not known must not run as if it had no pods.
        #expect(throws: ConfigurationProblems.self) { try load(text, "a") }
    }

    @Test func theOverlayServesHostsAndRemotes() throws {
        let text = try #require(try Manifests("k8s/overlays/kind").configuration)
        let host = try load(text, "apus-worker", prefixes: ["10.244.1.0/24"])
        #expect(host.node.mode == .local && host.failover.policy == [.remote, .direct])
        #expect(host.failover.remotes.map(\.name) == ["apus-worker3"])
        #expect(host.failover.protects.isEmpty == false)
        let remote = try load(text, "apus-worker3", mode: "remote")
        #expect(remote.node.mode == .remote && remote.interception?.podCIDRs == [])
        #expect(remote.failover.remotes.isEmpty && remote.failover.policy == [.direct])
        let own = try #require(remote.failover.protects.first { $0.node == "apus-worker" })
        #expect(own.tunnel == host.failover.tunnel)
        #expect(own.podCIDRs == host.interception?.podCIDRs)
        // A host that came after the file was written works, without a remote that answers.
        let newcomer = try load(text, "apus-worker9", prefixes: ["10.244.9.0/24"])
        #expect(newcomer.interception?.podCIDRs.map(\.description) == ["10.244.9.0/24"])
        #expect(!remote.failover.protects.contains { $0.tunnel.vni == newcomer.failover.tunnel.vni })
    }

    @Test func aRemoteHasThePodsOfItsHosts() throws {
        let remote = try example("remote.yaml", "ignored")
        #expect(remote.node == .init(name: "r1", mode: .remote, zone: "a"))
        #expect(remote.failover.protects.map(\.node) == ["node-a", "node-b"])
        #expect(remote.pods.map(\.name) == ["shop/cart-7d9f", "shop/web-1b20"])
        #expect(remote.pods.map(\.host) == [1, 2])
    }

    @Test func buddiesStandInForOneAnother() throws {
        for (node, own, buddy, protected) in [
            ("node-a", 7101, "node-b", "node-c"), ("node-b", 7102, "node-c", "node-a"),
            ("node-c", 7103, "node-a", "node-b"),
        ] {
            let configuration = try example("buddy.yaml", node)
            #expect(configuration.failover.tunnel.vni == UInt32(own))
            #expect(configuration.failover.remotes.map(\.name) == [buddy])
            #expect(configuration.failover.protects.map(\.node) == [protected])
            #expect(configuration.interception?.podCIDRs.count == 1)
        }
        let pods = try example("buddy.yaml", "node-b").pods
        #expect(pods.map(\.name) == ["shop/cart-7d9f", "shop/payment-0", "shop/web-1b20"])
        #expect(pods.map(\.failoverPolicy) == [nil, [.remote, .drop], nil])
    }
}
