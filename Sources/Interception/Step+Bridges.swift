import Model

extension Step {
    /// What makes a port's filters those of `wanted`.
    static func coverage(_ port: BridgePort, _ wanted: Set<IPAddress.Family>) -> [Step] {
        var steps: [Step] = []
        func add(_ what: String, _ command: Command, undo: Command?) {
            let name = "bridge \(port.bridge), port \(port.name)"
            steps.append(Step("\(name): \(what)", .run(command), undo: undo.map { .run($0) }, device: port.name))
        }
        let missing = [IPAddress.Family.v4, .v6].filter { wanted.contains($0) && !port.covered.contains($0) }
        for family in [IPAddress.Family.v4, .v6] where port.present.contains(family) {
            guard missing.contains(family) || !wanted.contains(family) else { continue }
            add("\(family.name) TCP: leave in the bridge", port.removal(family), undo: nil)
        }
        if !missing.isEmpty, port.qdisc == nil {
            add("qdisc clsact: add", port.qdiscCommand, undo: port.qdiscRemoval)
        }
        for family in missing {
            add("\(family.name) TCP: receive on the bridge", port.command(family), undo: port.removal(family))
        }
        return steps
    }

    static func removalOfQdisc(_ port: BridgePort) -> Step {
        Step("bridge \(port.bridge), port \(port.name): as before", .run(port.qdiscRemoval), device: port.name)
    }

    static func reception(_ reception: BridgeReception, present: BridgeReception?) -> Step {
        let undo = present.map { Command("nft", ["-f", "-"], input: $0.text) } ?? BridgeReception.removal
        return Step(
            "nft table netdev \(RulePlan.tableName): \(present == nil ? "create" : "replace")",
            .run(Command("nft", ["-f", "-"], input: reception.text)),
            undo: present?.bridges.isEmpty == true ? nil : .run(undo))
    }

    static var removalOfReception: Step {
        Step("nft table netdev \(RulePlan.tableName): delete", .run(BridgeReception.removal))
    }
}
