import Model

/// Numbers of an earlier generation of the process, in this one's slots.
struct Inheritance: Sendable {
    struct Entry: Sendable {
        let kind: Totals.Kind
        let slot: Int
        let column: Int
        let count: Int
    }

    var entries: [Entry] = []
}

extension ProxyServer {
    /// What all workers have counted, by name. What has no name in the newest snapshot is left out: nobody sees it.
    public func totals(_ names: TunnelNames) -> Totals {
        var totals = Totals()
        for kind in Totals.Kind.allCases {
            let columns = Totals.columns(kind)
            let tables = workerStatistics.map { $0.table(kind) }
            for (slot, name) in things(kind, names) {
                let place = kind.place(slot)
                // Most things have never been used; request counters have hundreds of columns.
                let used = tables.filter { $0.hasBlock(place) }
                guard !used.isEmpty else { continue }
                for (column, title) in columns.enumerated() {
                    guard let title else { continue }
                    totals.add(used.reduce(0) { $0 + $1.value(slot: place, counter: column) }, kind, name, title)
                }
            }
        }
        return totals
    }

    /// Counts on from where another generation of the process stood. Things and columns not known here are left out.
    public func inherit(_ totals: Totals, _ names: TunnelNames) {
        var inheritance = Inheritance()
        let columns = Dictionary(uniqueKeysWithValues: Totals.Kind.allCases.map { ($0, Self.columnsByTitle($0)) })
        var slots = Dictionary(
            uniqueKeysWithValues: Totals.Kind.allCases.map { kind in
                (kind, Dictionary(things(kind, names).map { ($1, $0) }) { first, _ in first })
            })
        totals.forEach { kind, name, column, count in
            if kind == .pair, slots[.pair]?[name] == nil { slots[.pair]?[name] = pairSlot(name, names) }
            guard let slot = slots[kind]?[name], let column = columns[kind]?[column] else { return }
            inheritance.entries.append(
                Inheritance.Entry(kind: kind, slot: kind.place(slot), column: column, count: count))
        }
        contexts[0].mailbox.send(.inherit(inheritance))
    }

    private static func columnsByTitle(_ kind: Totals.Kind) -> [String: Int] {
        let titles = Totals.columns(kind).enumerated().compactMap { index, title in title.map { ($0, index) } }
        return Dictionary(titles) { first, _ in first }
    }

    /// Things of a kind by slot, with their names.
    private func things(_ kind: Totals.Kind, _ names: TunnelNames) -> [Int: String] {
        switch kind {
        case .pod, .podRequestsSent, .podRequestsReceived: names.all(.pod)
        case .cluster, .clusterRequests: names.all(.cluster)
        case .listener, .listenerRequests: names.all(.listener)
        case .host: names.all(.host)
        case .routeRequests: names.all(.route)
        // One sum: the next generation may have another number of workers.
        case .worker, .podless, .podlessRequests, .halfOpenAge, .turn: [0: "all"]
        case .pair: pairNames(names)
        }
    }

    private static let separator = "\n"

    private func pairNames(_ names: TunnelNames) -> [Int: String] {
        var result: [Int: String] = [:]
        for series in pairSeries {
            guard let pod = series.pod, let cluster = series.cluster else {
                result[series.slot] = "other"
                continue
            }
            guard let pod = names.name(.pod, Int32(pod)), let cluster = names.name(.cluster, Int32(cluster)) else {
                continue
            }
            result[series.slot] = pod + Self.separator + cluster
        }
        return result
    }

    private func pairSlot(_ name: String, _ names: TunnelNames) -> Int? {
        let parts = name.split(separator: Self.separator).map(String.init)
        guard parts.count == 2, let pod = names.slot(.pod, parts[0]), let cluster = names.slot(.cluster, parts[1])
        else {
            return nil
        }
        return pairs.slot(pod: pod, cluster: cluster)
    }
}

extension Worker {
    func inherit(_ inheritance: Inheritance) {
        for entry in inheritance.entries {
            context.statistics.table(entry.kind).add(entry.count, slot: entry.slot, counter: entry.column)
        }
    }
}
