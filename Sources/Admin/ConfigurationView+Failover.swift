import Model

extension ConfigurationView {
    /// What is in force on this host: its own remotes and tunnel, and the hosts that it protects, with the ids they have
    /// in marks, whether the file gives them or not.
    static func failover(_ failover: Configuration.Failover) -> JSONValue {
        [
            "policy": policy(failover.policy),
            "remotes": .array(failover.remotes.map(remote)),
            "probe": [
                "interval": .duration(failover.probe.interval), "timeout": .duration(failover.probe.timeout),
                "unhealthyAfter": .int(failover.probe.unhealthyAfter),
                "healthyAfter": .int(failover.probe.healthyAfter), "killAfter": .duration(failover.probe.killAfter),
            ],
            "tunnel": tunnel(failover.tunnel),
            "hostMark": ["mask": .hexadecimal(failover.hostMarkMask)],
            "protects": .array(failover.protects.map(host)),
            "sourcePorts": .string(failover.sourcePorts.description),
        ]
    }

    static func policy(_ policy: [Configuration.Failover.Answer]) -> JSONValue {
        .array(policy.map { .string($0.rawValue) })
    }

    private static func remote(_ remote: Configuration.Remote) -> JSONValue {
        [
            "name": .string(remote.name), "address": .string(remote.address.description),
            "adminPort": .int(Int(remote.adminPort)),
        ]
    }

    private static func tunnel(_ tunnel: Configuration.Tunnel) -> JSONValue {
        ["vni": .int(Int(tunnel.vni)), "port": .int(Int(tunnel.port))]
    }

    private static func host(_ host: Configuration.ProtectedHost) -> JSONValue {
        [
            "id": .int(host.id), "node": .string(host.node), "address": .string(host.address.description),
            "podCIDRs": .descriptions(host.podCIDRs), "tunnel": tunnel(host.tunnel),
        ]
    }
}
