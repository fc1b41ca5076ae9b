import Model

extension AdminAPI {
    func routeViews() -> [RouteStatusView] {
        guard let snapshot = proxy.snapshot else { return [] }
        let workers = proxy.workerStatistics
        var views: [RouteStatusView] = []
        snapshot.forEachRule { place, rule in
            let slot = Int(snapshot.routeLinks[place.index].slot)
            let table = snapshot.routeTables[place.table]
            views.append(
                RouteStatusView(
                    name: snapshot.routeName(place, rule), table: table.name,
                    domains: table.virtualHosts[place.virtualHost].domains.map(\.description), match: rule.match.words,
                    action: rule.action.words, requestsActive: proxy.shared.routeRequests.load(slot),
                    requests: RequestsView(workers, \.requestsByRoute, slot: slot)))
        }
        return views
    }

    /// Requests of all listeners since the start: each has one listener, and those are never forgotten.
    func requestCount(_ workers: [WorkerStatistics]) -> Int {
        proxy.names.all(.listener).indices.reduce(0) { count, slot in
            count + RequestCounter.classes.reduce(0) { $0 + workers.sum(\.requestsByListener, slot, $1.rawValue) }
        }
    }
}
