import Testing

@testable import Model

/// What the compiler makes of HTTP listeners, routes and filters.
@Suite struct HTTPSnapshotTests {
    private func sample() throws -> Configuration {
        var configuration = Configuration(
            interception: Configuration.Interception(podCIDRs: [try #require(CIDR("10.1.0.0/24"))]),
            routes: [
                .init(
                    name: "shop",
                    virtualHosts: [
                        .init(
                            domains: [.any],
                            rules: [
                                .init(name: "named", action: .forward(.init(targets: [.init(cluster: "a")]))),
                                .init(
                                    action: .respond(status: 200, body: ""),
                                    filters: [.init(.localRateLimit(.init(requests: 1)))]),
                            ])
                    ])
            ], clusters: [.init(name: "a", discovery: .endpoints([]))])
        configuration.listeners = [
            .init(
                name: "web", address: try #require(SocketAddress("127.0.0.1:80")), protocolKind: .http, routes: "shop"),
            .init(name: "bytes", address: try #require(SocketAddress("127.0.0.1:81")), cluster: "a"),
        ]
        let tables = Configuration.PodTables(
            outbound: [
                .init(protocolKind: .http, routes: "shop"), .init(action: .cluster("a"), protocolKind: .http1), .init(),
                .init(protocolKind: .http, filters: [.init(.localRateLimit(.init(requests: 1)))]),
                .init(action: .deny, protocolKind: .http),
            ], inbound: [.init(protocolKind: .http)])
        configuration.pods = try ["10.1.0.2", "10.1.0.3"].map { text in
            .init(name: text, addresses: [try #require(IPAddress(text))], tables: tables)
        }
        return configuration
    }

    @Test func everyPlaceOfHTTPHasATableAndNothingElseHas() throws {
        let names = SlotNames()
        var compiler = SnapshotCompiler(shared: SharedState(), names: names)
        let snapshot = try compiler.compile(try sample(), oldestGenerationInUse: 0)
        func table(_ http: Int32) -> String? {
            http < 0 ? nil : snapshot.routeTables[Int(snapshot.httpListeners[Int(http)].routeTable)].name
        }
        #expect(snapshot.listeners.map { table($0.http) } == ["shop", nil])
        let pods = snapshot.pods.dropFirst()
        for pod in pods {
            let outbound = pod.outbound.indices.map { table(snapshot.entries[$0].http) }
            #expect(outbound == ["shop", "cluster:a", nil, "cluster:passthrough", nil])
            let inbound = snapshot.httpListeners[Int(snapshot.entries[Int(pod.inbound.lower)].http)]
            #expect(inbound.direction == .inbound && inbound.requestId == .off && inbound.forwardedFor == .off)
        }
        // Pods share what is the same, but not buckets.
        let shared = pods.map { snapshot.entries[Int($0.outbound.lower)].http }
        #expect(Set(shared).count == 1)
        #expect(Set(pods.map { snapshot.entries[Int($0.outbound.lower) + 3].http }).count == 2)
        #expect(snapshot.httpListeners[Int(shared[0])].requestId == .keep)
        let buckets = snapshot.filters.map { filter in
            if case .localRateLimit(let record) = filter { record.slot } else { -1 }
        }
        #expect(Set(buckets) == [0, 1, 2])
        #expect(snapshot.filterMatches.count == 3)
        let slots = snapshot.routeLinks.map { names.name(.route, Int($0.slot)) }
        #expect(slots == ["named", "shop/0/1", "cluster:a", "cluster:passthrough"])
        #expect(snapshot.freshSlots.routes.count == 4)
    }

    @Test func slotsOfRoutesAndBucketsStayOverReloads() throws {
        let shared = SharedState()
        var compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        var configuration = try sample()
        let first = try compiler.compile(configuration, oldestGenerationInUse: 0)
        let rule = Configuration.Rule(name: "new", action: .respond(status: 200, body: ""))
        configuration.routes.insert(
            .init(name: "before", virtualHosts: [.init(domains: [.any], rules: [rule])]), at: 0)
        let second = try compiler.compile(configuration, oldestGenerationInUse: 1)
        #expect(second.routeLinks.dropFirst().prefix(2).map(\.slot) == first.routeLinks.prefix(2).map(\.slot))
        #expect(second.freshSlots.routes == [Int(second.routeLinks[0].slot)])

        // A live exchange keeps the slot of a rule that is gone.
        let gone = Int(second.routeLinks[0].slot)
        shared.routeRequests.add(1, at: gone)
        configuration.routes[0].virtualHosts[0].rules[0].name = "other"
        for generation in 2...4 as ClosedRange<UInt64> {
            let next = try compiler.compile(configuration, oldestGenerationInUse: generation)
            #expect(Int(next.routeLinks[0].slot) != gone)
        }
        shared.routeRequests.add(-1, at: gone)
        let later = try (5...12 as ClosedRange<UInt64>).map { generation in
            configuration.routes[0].virtualHosts[0].rules[0].name = "name \(generation)"
            return try compiler.compile(configuration, oldestGenerationInUse: generation).routeLinks[0].slot
        }
        #expect(later.contains(Int32(gone)), "\(later)")
    }

    @Test func limitsComeWithEveryRecord() throws {
        var configuration = try sample()
        configuration.limits.http.headerBytes = 5
        configuration.limits.http.keepAliveTimeout = .milliseconds(7)
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        #expect(snapshot.httpListeners.allSatisfy { $0.headerBytes == 5 && $0.keepAliveTimeout == 7_000_000 })
        #expect(snapshot.pods[1].pendingRequestsMax == 1024 && snapshot.pods[0].pendingRequestsMax == .max)
    }

    @Test func tooManyRulesAreRefused() throws {
        var configuration = Configuration()
        let rule = Configuration.Rule(action: .respond(status: 200, body: ""))
        configuration.routes = [
            .init(
                name: "t",
                virtualHosts: [.init(domains: [.any], rules: .init(repeating: rule, count: SlotLimits.routes + 1))])
        ]
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let error = #expect(throws: SnapshotCompiler.TooMany.self) {
            try compiler.compile(configuration, oldestGenerationInUse: 0)
        }
        #expect(error?.description == "routes: more than 65536")
    }

    @Test func subsetsAreFoundAgainInTheNextGenerationHoweverTheyAreNumbered() throws {
        func configuration(_ labels: [[String: String]]) throws -> Configuration {
            var configuration = try sample()
            configuration.clusters.append(.init(name: "b", discovery: .endpoints([])))
            let targets = labels.flatMap { labels in
                ["a", "b"].map { Configuration.Target(cluster: $0, labels: labels) }
            }
            configuration.routes[0].virtualHosts[0].rules = [.init(action: .forward(.init(targets: targets)))]
            return configuration
        }
        let (v1, v2, v3) = (["version": "1", "tier": "x"], ["version": "2"], ["version": "3"])
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        let before = try compiler.compile(try configuration([v1, v2]), oldestGenerationInUse: 0)
        let after = try compiler.compile(try configuration([v3, v2, v1]), oldestGenerationInUse: 1)
        #expect(Set(before.subsets.map(\.identity)).count == 4)
        for subset in before.subsets {
            let labels = before.subsetLabels[subset.cluster]?[subset.number]
            let index = try #require(after.view.subset(identity: subset.identity))
            let found = after.subsets[Int(index)]
            #expect(found.cluster == subset.cluster && after.subsetLabels[found.cluster]?[found.number] == labels)
        }
        let last = try compiler.compile(try configuration([v3]), oldestGenerationInUse: 2)
        #expect(before.subsets.allSatisfy { last.view.subset(identity: $0.identity) == nil })
    }
}
