import Foundation
import Lab
import Model
import Testing

/// A lab with `apusd` and rules on hosts A and B.
struct Mesh {
    let lab: Lab
    let a: ProxyHost
    let b: ProxyHost
    let backend: Backend

    /// How the rules are written. Behaviour must be the same with all.
    enum Backend: String, CaseIterable {
        case nft, iptables, iptablesLegacy, xtablesOnly

        /// Those of hosts that have nf_tables.
        static let usual = [nft, iptables]

        var arguments: [String] {
            switch self {
            case .nft: ["--backend", "nft"]
            case .iptables: ["--backend", "iptables"]
            case .iptablesLegacy: ["--backend", "iptables", "--iptables-variant", "legacy"]
            case .xtablesOnly: ["--backend", "iptables", "--xtables-only"]
            }
        }
    }

    var proxies: [ProxyHost] { [a, b] }
}

/// What a mesh is built from; tests change what they are about.
struct MeshPlan {
    var backend = Mesh.Backend.nft
    var form = Topology.Form.routed
    var a = ProxyConfiguration(.a)
    var b = ProxyConfiguration(.b)
    /// Runs before anything is installed: kube-proxy, sysctls.
    var prepare: (Lab) throws -> Void = { _ in }
    /// Whether the rules are installed by `withMesh`.
    var isInstalled = true
}

/// Builds a mesh, runs `body`, and removes everything. A thrown error carries what the proxies said.
func withMesh(_ change: (inout MeshPlan) -> Void = { _ in }, _ body: (Mesh) throws -> Void) throws {
    var plan = MeshPlan()
    change(&plan)
    let lab = try Lab.up(form: plan.form)
    defer { lab.down() }
    try plan.prepare(lab)
    let mesh = try Mesh(lab: lab, a: ProxyHost(plan.a, in: lab), b: ProxyHost(plan.b, in: lab), backend: plan.backend)
    do {
        for proxy in mesh.proxies {
            try proxy.start()
            if plan.isInstalled { try mesh.redirect("install", proxy).required() }
        }
        try body(mesh)
        for proxy in mesh.proxies { try requireNoTrap(proxy) }
    } catch {
        let said = mesh.proxies.map { "apusd on \($0.host.name):\n\($0.errors.suffix(4000))" }
        throw LabError("\(error)\n\(said.joined(separator: "\n"))")
    }
}

/// A mesh whose hosts stand in for each other, as two entries of one fleet's file.
func withBuddies(_ change: (inout MeshPlan) -> Void = { _ in }, _ body: (Mesh) throws -> Void) throws {
    try withMesh(
        {
            for keyPath in [\MeshPlan.a, \.b] {
                $0[keyPath: keyPath].policy = "remote, direct"
                $0[keyPath: keyPath].podHosts = [.a, .b]
                $0[keyPath: keyPath].failover = [
                    "remotes: [{name: node-a, address: \(HostName.a.v4)}, {name: node-b, address: \(HostName.b.v4)}]",
                    ProxyConfiguration.protects([.a, .b]),
                ]
            }
            change(&$0)
        }, body)
}

/// A proxy that ended on its own must not pass unseen: traffic goes on without it.
private func requireNoTrap(_ proxy: ProxyHost) throws {
    switch try proxy.process.exit {
    case nil, .status(0), .signal(SIGKILL): return
    case let exit?: throw LabError("apusd on \(proxy.host.name): ended by itself: \(exit)")
    }
}

extension Mesh {
    /// `apusctl redirect VERB` on a proxy's host, with the mesh's backend.
    func redirect(_ verb: String, _ proxy: ProxyHost) throws -> CommandResult {
        try proxy.redirect(verb, backend.arguments)
    }

    /// Dials, reads the greeting, exchanges a line; what the server saw and the log line of `proxy` for it.
    @discardableResult
    func observe(
        from client: Node, to target: SocketAddress, in proxy: ProxyHost
    ) throws -> (greeting: Greeting, record: AccessRecord) {
        let socket = try client.connect(to: target)
        let greeting = try socket.exchange()
        let local = try socket.localAddress
        socket.close()
        return (greeting, try proxy.record { $0.client == "\(local)" })
    }

    /// Dials and expects a reset (or a refusal) instead of a greeting; how long it took.
    @discardableResult
    func expectReset(
        from client: Node, to target: SocketAddress, _ comment: Comment? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> Duration {
        ContinuousClock().measure {
            let error = #expect(throws: LabError.self, comment, sourceLocation: sourceLocation) {
                let socket = try client.connect(to: target, timeout: .seconds(5))
                _ = try socket.receiveLine()
            }
            #expect(
                error?.isReset == true || error?.isRefused == true,
                "\(client.name) to \(target): \(String(describing: error))",
                sourceLocation: sourceLocation)
        }
    }
}

extension ProxyConfiguration {
    /// The source ports of the default configuration: lower half outbound, upper half inbound.
    static let outboundPorts: ClosedRange<UInt16> = 10240...15119
    static let inboundPorts: ClosedRange<UInt16> = 15120...19999
}
