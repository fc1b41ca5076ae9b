import Model

extension Step {
    /// What leads from `present` to `device`. A device with another make is made anew.
    static func device(_ device: TunnelDevice, present: KernelState.Device?) -> [Step] {
        guard let present, device.isMade(as: present) else {
            let removal = present.map { [Step.removal(ofDevice: $0.name)] } ?? []
            return removal + creation(of: device)
        }
        var steps: [Step] = []
        func change(_ what: String, _ words: [String]) {
            steps.append(Step("device \(device.name) \(what)", .run(Command(words))))
        }
        if present.mtu != device.mtu {
            change("mtu \(device.mtu)", ["ip", "link", "set", device.name, "mtu", "\(device.mtu)"])
        }
        if !present.addresses.contains(device.address) { change("address \(device.address)", device.addressCommand) }
        for sysctl in device.sysctls where present.sysctls[sysctl.name] != sysctl.value {
            steps.append(.device(device, sysctl))
        }
        if !present.isUp { change("up", device.upCommand) }
        for neighbor in device.neighbors where !present.neighbors.contains(neighbor) {
            change("neighbor \(neighbor.address)", device.command(neighbor))
        }
        for peer in device.peers where !present.peers.contains(peer) {
            change("peer \(peer.address)", device.command(peer))
        }
        // The kernel adds entries of its own kind (multicast); only others' unicast ones would lead packets astray.
        for peer in present.peers where !device.peers.contains(peer) && !peer.address.isEmpty {
            change(
                "peer \(peer.address): remove",
                ["bridge", "fdb", "del", peer.link, "dev", device.name, "dst", peer.address])
        }
        return steps
    }

    private static func creation(of device: TunnelDevice) -> [Step] {
        let name = device.name
        let settings = device.sysctls.map { Step.device(device, $0) }
        // `ip -batch` would do with one process, but names only a line that failed.
        return [
            Step(
                "device \(name) vxlan id \(device.vni) local \(device.local) port \(device.port): create",
                .run(Command(device.createCommand)), undo: .run(Command("ip", ["link", "del", name])))
        ] + settings
            + [
                Step(
                    "device \(name) address \(device.address), neighbors: add",
                    .run(Command("ip", ["-batch", "-"], input: device.settingText))),
                Step(
                    "device \(name) peers \(device.peers.map(\.address).joined(separator: ", ")): add",
                    .run(Command("bridge", ["-batch", "-"], input: device.peerText))),
            ]
    }

    static func removal(ofDevice name: String) -> Step {
        Step("device \(name): delete", .run(Command("ip", ["link", "del", name])))
    }

    private static func device(_ device: TunnelDevice, _ sysctl: Sysctl) -> Step {
        Step("sysctl \(sysctl.name) \(sysctl.value)", .write(path: sysctl.path, value: sysctl.value))
    }

    static func route(_ route: Route, add: Bool) -> Step {
        func command(_ verb: String) -> Action {
            .run(Command("ip", [route.family.ipOption, "route", verb] + route.arguments))
        }
        return Step(
            "\(route.family.name) route \(route): \(add ? "add" : "del")", command(add ? "replace" : "del"),
            undo: command(add ? "del" : "add"))
    }

    static func nexthop(_ nexthop: Nexthop) -> Step {
        Step(
            "nexthop \(nexthop): set", .run(Command("ip", ["nexthop", "replace"] + nexthop.arguments)),
            undo: removal(ofNexthop: nexthop.id).action)
    }

    static func removal(ofNexthop id: Int) -> Step {
        Step("nexthop id \(id): delete", .run(Command("ip", ["nexthop", "del", "id", "\(id)"])))
    }
}

extension Command {
    /// From its words, the program first.
    init(_ words: [String]) { self.init(words.first ?? "", Array(words.dropFirst())) }
}
