import Control
import Foundation
import Loopback
import Model
import Testing

/// `k8s/fleet`: from a cluster's nodes to hosts and remotes of the configuration.
@Suite(OwnThreadTrait()) struct FleetProgramTests {
    /// `kubectl get nodes -o json`, as far as it matters.
    private func nodes(_ list: [(name: String, address: String, prefixes: [String], isRemote: Bool)]) -> String {
        let items = list.map { node in
            let labels = node.isRemote ? #"{"apus/role": "remote"}"# : "{}"
            let prefixes = node.prefixes.map { "\"\($0)\"" }.joined(separator: ",")
            return """
                {"metadata": {"name": "\(node.name)", "labels": \(labels)}, "spec": {"podCIDRs": [\(prefixes)]},
                 "status": {"addresses": [{"type": "Hostname", "address": "\(node.name)"},
                                          {"type": "InternalIP", "address": "\(node.address)"}]}}
                """
        }
        return "{\"items\": [\(items.joined(separator: ","))]}"
    }

    private func fleet(_ file: String, _ nodes: String, _ options: [String] = []) throws -> Deployment.Output {
        try Deployment.run(Deployment.path("k8s/fleet"), options + [file], input: nodes)
    }

    private func load(_ text: String, _ node: String, mode: String = "local", prefix: String = "") throws
        -> Configuration
    {
        let environment = ["NODE_NAME": node, "APUS_MODE": mode, "POD_CIDR": prefix, "POD_CIDR_2": ""]
        return try ConfigurationLoader(file: "apus.yaml", environment: environment).load(text)
    }

    private let base = Deployment.path("k8s/base/apus.yaml")

    @Test func hostsKeepTheirTunnelsWhenOthersComeAndGo() throws {
        let files = try TemporaryFolder()
        defer { files.remove() }
        let first = try fleet(
            base,
            nodes([
                ("b", "10.9.0.2", ["10.2.0.0/24"], false), ("a", "10.9.0.1", ["10.1.0.0/24"], false),
                ("r", "10.9.0.9", [], true),
            ]))
        try #require(first.status == 0, "\(first.errors)")
        let second = try fleet(
            files.write("first.yaml", first.text),
            nodes([
                ("b", "10.9.0.2", ["10.2.0.0/24"], false), ("c", "fd99::3", ["10.3.0.0/24", "fd03::/64"], false),
                ("r", "10.9.0.9", [], true),
            ]))
        try #require(second.status == 0, "\(second.errors)")
        let before = try load(first.text, "r", mode: "remote").failover.protects
        let after = try load(second.text, "r", mode: "remote").failover.protects
        #expect(before.map(\.node) == ["a", "b"])
        #expect(Set(after.map(\.node)) == ["b", "c"])
        #expect(after.first { $0.node == "b" } == before.first { $0.node == "b" })
        #expect(Set(after.map(\.tunnel.vni)).count == 2 && Set(after.map(\.id)).count == 2)
        #expect(after.first { $0.node == "c" }?.podCIDRs.count == 2)
        // What the operator wrote stays.
        #expect(first.text.contains("podDefaults:") && first.text.contains("# One file for all hosts"))
    }

    @Test func buddiesFormARing() throws {
        let hosts = (1...4).map {
            (name: "n\($0)", address: "10.9.0.\($0)", prefixes: ["10.\($0).0.0/24"], isRemote: false)
        }
        let output = try fleet(base, nodes(hosts), ["--buddies", "2"])
        try #require(output.status == 0, "\(output.errors)")
        for host in hosts {
            let configuration = try load(output.text, host.name, prefix: host.prefixes[0])
            #expect(configuration.failover.remotes.count == 2 && configuration.failover.protects.count == 2)
            #expect(!configuration.failover.remotes.map(\.name).contains(host.name))
            #expect(!configuration.failover.protects.map(\.node).contains(host.name))
        }
    }

    @Test func whatCannotWorkIsSaid() throws {
        let alone = nodes([("a", "10.9.0.1", ["10.1.0.0/24"], false)])
        for (input, options, word) in [
            (alone, [], "no remote"), (alone, ["--buddies", "1"], "no buddy"), (nodes([]), [], "no host"),
            (nodes([("a", "10.9.0.1", [], false)]), [], "no spec.podCIDRs"),
        ] {
            let output = try fleet(base, input, options)
            #expect(output.status == 1 && output.text.isEmpty && output.errors.contains(word), "\(output)")
        }
        let files = try TemporaryFolder()
        defer { files.remove() }
        let output = try fleet(files.write("other.yaml", "version: 1\n"), alone)
        #expect(output.status == 1 && output.errors.contains("Hosts and remotes: begin"), "\(output)")
    }
}
