import Testing

@testable import Model

@Suite struct SnapshotCompilerTests {
    private func compiler() -> (SnapshotCompiler, SharedState, SlotNames) {
        let (shared, names) = (SharedState(), SlotNames())
        return (SnapshotCompiler(shared: shared, names: names), shared, names)
    }

    private func address(_ text: String) throws -> SocketAddress { try #require(SocketAddress(text)) }
    private func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private func sample() throws -> Configuration {
        var configuration = Configuration(
            interception: Configuration.Interception(podCIDRs: [try #require(CIDR("10.1.0.0/24"))]))
        configuration.pods = [
            Configuration.Pod(
                name: "shop/cart", addresses: [try ip("10.1.0.2"), try ip("fd01::2")],
                tables: Configuration.PodTables(
                    outbound: [
                        Configuration.TableEntry(ports: [PortRange(25)], action: .deny),
                        Configuration.TableEntry(
                            cidrs: [try #require(CIDR("10.96.0.0/12"))], ports: [PortRange(80)],
                            action: .cluster("web")),
                    ], connectionsMax: 5)),
            Configuration.Pod(name: "shop/pay", addresses: [try ip("10.1.0.3")]),
        ]
        configuration.podDefaults = Configuration.PodTables(
            inbound: [Configuration.TableEntry(ports: [PortRange(22)], action: .deny)], connectionsMax: 7)
        configuration.clusters = [
            Configuration.Cluster(
                name: "web",
                discovery: .endpoints([
                    Configuration.Endpoint(address: try address("10.2.0.2:80")),
                    Configuration.Endpoint(address: try address("10.2.0.3:80"), weight: 3),
                ]), connectionsMax: 9)
        ]
        configuration.listeners = [
            Configuration.Listener(name: "local", address: try address("127.0.0.1:8080"), cluster: "web")
        ]
        return configuration
    }

    @Test func tablesAnswerAsTheConfigurationSays() throws {
        var (compiler, _, names) = compiler()
        let snapshot = try compiler.compile(try sample(), oldestGenerationInUse: 0)
        let cart = try #require(snapshot.pod(at: try ip("10.1.0.2")))
        #expect(snapshot.pod(at: try ip("fd01::2")) == cart)
        #expect(names.name(.pod, snapshot.pods[cart].slot) == "shop/cart")
        #expect(snapshot.pods[cart].connectionsMax == 5 && snapshot.pods[cart].v6?.description == "fd01::2")
        #expect(snapshot.pod(at: try ip("10.1.0.99")) == Snapshot.unknownPod)
        #expect(snapshot.pod(at: try ip("10.1.1.2")) == nil)

        func outbound(_ text: String) throws -> EntryRecord.Action? {
            snapshot.outboundEntry(pod: cart, destination: try address(text)).map { snapshot.entries[$0].action }
        }
        #expect(try outbound("1.2.3.4:25") == .deny)
        #expect(try outbound("10.96.0.1:80") == .cluster(1))
        #expect(try outbound("10.96.0.1:81") == nil)
        #expect(try outbound("10.112.0.1:80") == nil)

        let pay = try #require(snapshot.pod(at: try ip("10.1.0.3")))
        #expect(snapshot.pods[pay].connectionsMax == 7, "from podDefaults")
        let client = try ip("9.9.9.9")
        for pod in [cart, pay, Snapshot.unknownPod] {
            #expect(snapshot.inboundEntry(pod: pod, client: client, port: 22) != nil)
            #expect(snapshot.inboundEntry(pod: pod, client: client, port: 80) == nil)
        }
        let web = snapshot.clusters[1]
        #expect(snapshot.clusters[Snapshot.passthroughCluster].isOriginalDestination)
        #expect(web.connectionsMax == 9 && snapshot.endpoints(ofCluster: 1).records.map(\.weight) == [1, 3])
        #expect(snapshot.listeners.map(\.cluster) == [1] && snapshot.listeners[0].slot == 2)
    }

    @Test func slotsStayOverReloads() throws {
        var (compiler, shared, _) = compiler()
        let first = try compiler.compile(try sample(), oldestGenerationInUse: 0)
        #expect(first.freshSlots.pods.count == 3 && first.freshSlots.clusters.count == 2)
        var configuration = try sample()
        configuration.pods.reverse()
        configuration.clusters.insert(
            Configuration.Cluster(name: "first", discovery: .originalDestination), at: 0)
        shared.endpointHealth.store(1, at: first.endpoints[0].slot)
        let second = try compiler.compile(configuration, oldestGenerationInUse: 1)
        #expect(second.generation == 2)
        #expect(second.freshSlots.pods.isEmpty && second.freshSlots.clusters.count == 1)
        #expect(second.pods[1].slot == first.pods[2].slot && second.pods[2].slot == first.pods[1].slot)
        #expect(second.clusters[2].slot == first.clusters[1].slot)
        #expect(second.endpoints.map(\.slot) == first.endpoints.map(\.slot))
    }

    @Test func aPodWithAnotherUIDIsAnotherPod() throws {
        var (compiler, shared, names) = compiler()
        var configuration = try sample()
        configuration.pods[0].uid = "1"
        let first = try compiler.compile(configuration, oldestGenerationInUse: 0)
        let slot = first.pods[1].slot
        shared.podConnections.add(1, at: slot)
        configuration.pods[0].uid = "2"
        for generation in 1...3 as ClosedRange<UInt64> {
            let next = try compiler.compile(configuration, oldestGenerationInUse: generation)
            #expect(next.pods[1].slot != slot, "a connection of the old pod lives")
        }
        #expect(names.name(.pod, slot) == "shop/cart")
    }

    @Test func tooManyListenersAreRefused() throws {
        var (compiler, _, _) = compiler()
        var configuration = try sample()
        configuration.listeners = (0..<SlotLimits.listeners).map {
            Configuration.Listener(
                name: "l\($0)", address: SocketAddress(.loopbackV4, UInt16(truncatingIfNeeded: $0)), cluster: "web")
        }
        let error = #expect(throws: SnapshotCompiler.TooMany.self) {
            try compiler.compile(configuration, oldestGenerationInUse: 0)
        }
        #expect(error?.description == "listeners: more than 4096")
    }

    @Test(arguments: [
        (Duration.seconds(1), 1_000_000_000 as Int64), (.nanoseconds(1), 1), (.zero, 0), (.seconds(Int64.max), .max),
        (.seconds(-1), -1_000_000_000), (.seconds(Int64.min), .min),
    ])
    func durationsAreHeldInRange(duration: Duration, nanoseconds: Int64) {
        #expect(duration.nanoseconds == nanoseconds)
    }
}
