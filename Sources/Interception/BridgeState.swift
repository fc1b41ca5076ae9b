import Model

/// The bridges of a host, as far as pods hang on them.
struct BridgeState: Sendable, Equatable {
    /// A bridge whose address range has pods of this host.
    struct Bridge: Sendable, Equatable {
        var name: String
        /// Settings by which iptables sees packets inside this bridge: `bridge-nf-call-iptables`.
        var filterSettings: [String] = []
        /// Why what its ports send cannot be led out of it; nil: it can.
        var obstacle: String?
    }

    /// Those with pods, by name.
    var bridges: [Bridge] = []
    /// Ports that are the host's end of a veth pair into another namespace, of every bridge.
    var ports: [BridgePort] = []
    /// What the own netdev table has; nil: it is not there.
    var reception: BridgeReception?

    /// Bridges whose ports are to be covered. Without nf_tables there is nothing to receive with.
    func covered(_ backend: Backend?) -> [Bridge] {
        backend?.usesNft ?? true ? bridges.filter { $0.obstacle == nil } : []
    }

    private func obstacle(_ bridge: Bridge, _ backend: Backend?) -> String? {
        bridge.obstacle ?? (backend?.usesNft ?? true ? nil : "without nf_tables its packets cannot be routed")
    }

    /// Why nothing can be installed: intercepted connections would hang inside the bridge.
    func problems(_ backend: Backend) -> [String] {
        bridges.flatMap { bridge in
            guard let obstacle = obstacle(bridge, backend) else { return [String]() }
            return bridge.filterSettings.map {
                "net.bridge.\($0)=1: pods are on the bridge \(bridge.name), and \(obstacle): intercepted connections would "
                    + "hang: set it to 0, or attach pods by routed veth pairs"
            }
        }
    }

    /// What is not intercepted, and what others lose.
    func limitations(_ backend: Backend?) -> [String] {
        let names = Set(covered(backend).map(\.name))
        return bridges.compactMap { bridge in
            obstacle(bridge, backend).map {
                "bridge \(bridge.name): \($0): pods of this bridge reach each other inside it, where nothing is intercepted"
            }
        }
            + ports.filter { $0.hasForeignFilters && names.contains($0.bridge) }.map {
                "bridge \($0.bridge), port \($0.name): filters of others there (limits of bandwidth?) do not see TCP"
            }
    }

    /// What of the own parts is missing.
    func differences(_ families: [IPAddress.Family], _ backend: Backend?) -> [String] {
        let names = covered(backend).map(\.name)
        var lines: [String] = []
        if reception?.bridges ?? [] != names {
            lines.append("nft table netdev \(RulePlan.tableName): missing or another: run redirect install")
        }
        for port in ports where names.contains(port.bridge) && !port.covered.isSuperset(of: families) {
            lines.append(
                "bridge \(port.bridge), port \(port.name): not covered: its connections are not intercepted: "
                    + "run redirect install")
        }
        return lines
    }

    /// What leads from here to covered ports.
    func steps(_ families: [IPAddress.Family], _ backend: Backend) -> [Step] {
        let names = covered(backend).map(\.name)
        var steps: [Step] = []
        // Packets may be led to a bridge only once it takes them.
        if !names.isEmpty, reception?.bridges != names {
            steps.append(.reception(BridgeReception(bridges: names), present: reception))
        }
        for port in ports {
            let wanted = names.contains(port.bridge) ? Set(families) : []
            steps += Step.coverage(port, wanted)
        }
        if names.isEmpty, reception != nil { steps.append(.removalOfReception) }
        return steps
    }

    /// What takes everything out.
    /// - Parameter made: ports whose qdisc is ours; nil: nobody knows, so one that holds only ours is.
    func removalSteps(made: [String]?) -> [Step] {
        var steps = ports.filter { !$0.present.isEmpty }.flatMap { port in
            let isOurs = made?.contains(port.name) ?? true
            return isOurs && port.qdisc == "clsact" && !port.hasForeignFilters
                ? [Step.removalOfQdisc(port)] : Step.coverage(port, [])
        }
        if reception != nil { steps.append(.removalOfReception) }
        return steps
    }

    /// Ports to which an installation gives their qdisc.
    func portsToPrepare(_ backend: Backend) -> [String] {
        let names = covered(backend).map(\.name)
        return ports.filter { names.contains($0.bridge) && $0.qdisc == nil }.map(\.name)
    }
}

extension InstallState {
    var pods: [CIDR] { (podPrefixes ?? []).compactMap { CIDR($0) } }

    /// Remembers what is needed to know later bridges again, and to leave no qdisc behind.
    mutating func noteBridges(
        _ redirection: Redirection, _ kernel: KernelState, _ plan: RulePlan, _ before: InstallState?
    ) {
        podPrefixes = redirection.ownPrefixes.map { "\($0)" }
        let kept = (before?.portsPrepared ?? []).filter { name in
            kernel.bridges.ports.contains { $0.name == name && $0.qdisc != nil }
        }
        portsPrepared = kept + kernel.bridges.portsToPrepare(plan.backend)
    }
}
