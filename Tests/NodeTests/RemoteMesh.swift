import Foundation
import Lab
import Model
import Testing

/// A lab with three hosts: A and B have rules that lead to C when their own proxies are away, and C stands in for both.
struct RemoteMesh {
    let lab: Lab
    let a: ProxyHost
    let b: ProxyHost
    let c: ProxyHost

    var proxies: [ProxyHost] { [a, b, c] }
}

/// What it is built from. Only C's `apusd` runs at first.
struct RemoteMeshPlan {
    var backend = Mesh.Backend.nft
    var a = ProxyConfiguration(.a)
    var b = ProxyConfiguration(.b)
    var c = ProxyConfiguration(.c)
    /// Runs before anything is installed.
    var prepare: (Lab) throws -> Void = { _ in }

    init() {
        for keyPath in [\RemoteMeshPlan.a, \.b] {
            self[keyPath: keyPath].policy = "remote, direct"
            self[keyPath: keyPath].failover = [
                "remotes: [{name: node-c, address: \(HostName.c.v4)}]", ProxyConfiguration.protects([.a, .b], by: .c),
            ]
        }
        c.mode = "remote"
        c.sourcePorts = nil
        c.podHosts = [.a, .b]
        c.failover = [ProxyConfiguration.protects([.a, .b])]
    }
}

/// Builds it, runs `body`, removes everything. A thrown error carries what the proxies said.
func withRemote(_ change: (inout RemoteMeshPlan) -> Void = { _ in }, _ body: (RemoteMesh) throws -> Void) throws {
    var plan = RemoteMeshPlan()
    change(&plan)
    let lab = try Lab.up(hostCount: 3)
    defer { lab.down() }
    try plan.prepare(lab)
    let mesh = RemoteMesh(
        lab: lab, a: try ProxyHost(plan.a, in: lab), b: try ProxyHost(plan.b, in: lab),
        c: try ProxyHost(plan.c, in: lab))
    do {
        for proxy in mesh.proxies { try proxy.redirect("install", plan.backend.arguments).required() }
        try mesh.c.start()
        try body(mesh)
    } catch {
        let said = mesh.proxies.map { "apusd on \($0.host.name):\n\($0.errors.suffix(4000))" }
        throw LabError("\(error)\n\(said.joined(separator: "\n"))")
    }
}

extension ProxyConfiguration {
    /// `protects: [...]` for these hosts, A's id being 1.
    static func protects(_ hosts: [HostName], by: HostName? = nil) -> String {
        let entries = hosts.map { host in
            let names = by.map { ", by: [node-\($0.description.lowercased())]" } ?? ""
            let prefixes = host.podCIDRs.map { "\"\($0)\"" }.joined(separator: ", ")
            return """
                {id: \(host.rawValue), node: node-\(host.description.lowercased()), address: \(host.v4), \
                podCIDRs: [\(prefixes)], tunnel: {vni: \(7010 + host.rawValue)}\(names)}
                """
        }
        return "protects: [\(entries.joined(separator: ", "))]"
    }
}
