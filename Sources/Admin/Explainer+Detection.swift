import Model

extension Explainer {
    /// A connection whose first bytes decide: explained as what was learned of its destination says, as a request when the
    /// question is about one or nothing is known.
    func explainDetection(
        http: Int, cluster: Int, _ listener: String, clientPod: Int?, leg: ConnectionDirection,
        _ draft: inout Explanation
    ) {
        let latest = learned.min { $0.age < $1.age }
        let waits = learned.contains(where: \.awaitsClients)
        draft.detection = Explanation.Detection(
            learned: latest?.latest.label, ageSeconds: latest.map { Int($0.age / 1_000_000_000) },
            silence: waits ? "waited for up to 10 ms, then connected on" : "connected on at once")
        let place = cluster == Snapshot.passthroughCluster ? "the original destination" : snapshot.clusterName(cluster)
        if isAboutARequest || latest?.latest.isHTTP ?? true {
            draft.notes.append("first bytes decide: what is not HTTP is passed on to \(place)")
            explainRequest(http, listener, clientPod: clientPod, leg: leg, &draft)
        } else {
            let table = snapshot.routeTables[Int(snapshot.httpListeners[http].routeTable)].name
            draft.notes.append("first bytes decide: HTTP takes the routes of \(table)")
            route(to: cluster, clientPod: clientPod, leg: leg, &draft)
        }
    }
}
