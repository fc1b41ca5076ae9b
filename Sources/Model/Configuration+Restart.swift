extension Configuration {
    /// What a running process can take over of a new configuration.
    public struct Reload: Sendable, Equatable {
        /// The new configuration, with the running values of the fields that only a restart can change.
        public var effective: Configuration
        /// The fields that were kept, in document order; empty when all of it applies.
        public var restartNeeded: [String]

        /// A split configuration.
        public init(effective: Configuration, restartNeeded: [String]) {
            self.effective = effective
            self.restartNeeded = restartNeeded
        }
    }

    /// Splits this configuration into what applies to a process that runs `running` and what needs a restart:
    /// descriptors, threads and kernel rules were made from those fields at start.
    public func reload(over running: Configuration) -> Reload {
        var reload = Reload(effective: self, restartNeeded: [])
        reload.keep(\.node.mode, "node.mode", of: running)
        reload.keep(\.workers, "workers", of: running)
        reload.keep(\.gatherMax, "gatherMax", of: running)
        reload.keep(\.admin, "admin", of: running)
        guard var new = interception, let old = running.interception else {
            if interception != running.interception {
                reload.effective.interception = running.interception
                reload.restartNeeded.append("interception")
            }
            return reload
        }
        func keep<Field: Equatable>(_ field: WritableKeyPath<Interception, Field>, _ name: String) {
            guard new[keyPath: field] != old[keyPath: field] else { return }
            new[keyPath: field] = old[keyPath: field]
            reload.restartNeeded.append("interception." + name)
        }
        keep(\.outboundPort, "outboundPort")
        keep(\.inboundPort, "inboundPort")
        keep(\.sourcePorts, "sourcePorts")
        keep(\.mark, "mark")
        keep(\.podCIDRs, "podCIDRs")
        reload.effective.interception = new
        reload.keep(\.failover.hostMarkMask, "failover.hostMark.mask", of: running)
        reload.keep(\.failover.sourcePorts, "failover.sourcePorts", of: running)
        return reload
    }
}

extension Configuration.Reload {
    fileprivate mutating func keep<Field: Equatable>(
        _ field: WritableKeyPath<Configuration, Field>, _ name: String, of running: Configuration
    ) {
        guard effective[keyPath: field] != running[keyPath: field] else { return }
        effective[keyPath: field] = running[keyPath: field]
        restartNeeded.append(name)
    }
}
