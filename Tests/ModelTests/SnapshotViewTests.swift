import Testing

@testable import Model

@Suite struct SnapshotViewTests {
    private func compile(_ configuration: Configuration) throws -> Snapshot {
        var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
        return try compiler.compile(configuration, oldestGenerationInUse: 0)
    }

    @Test func addressesFindTheirPods() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var state = seed
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 20
        }
        for count in [0, 1, 3, 4, 5, 1000] {
            var numbers: [IPAddress: UInt32] = [:]
            for number in 0..<count {
                let isV4 = random() % 2 == 0
                // Neighbours, as pods' addresses are, and some that differ in the high half only.
                let address =
                    isV4
                    ? IPAddress(v4: 0x0a01_0000 + UInt32(random() % 4096))
                    : IPAddress(high: 0xfd00 << 48 | random() % 8, low: random() % 512)
                numbers[address] = UInt32(number)
            }
            let index = AddressIndex(numbers)
            for (address, number) in numbers {
                #expect(AddressIndex.number(of: address, in: index.places.view) == Int(number), "seed \(seed)")
            }
            for _ in 0..<1000 {
                let address = IPAddress(v4: 0x0a01_0000 + UInt32(random() % 8192))
                #expect(
                    AddressIndex.number(of: address, in: index.places.view) == numbers[address].map(Int.init),
                    "seed \(seed)")
            }
        }
    }

    @Test func slotsLeadBackToIndices() throws {
        let names = (0..<20).map { "c\($0)" }
        let snapshot = try compile(
            Configuration(
                listeners: names.enumerated().map { number, name in
                    Configuration.Listener(
                        name: "l\(number)", address: SocketAddress(.loopbackV4, UInt16(8000 + number * 3)),
                        cluster: name)
                }, clusters: names.map { Configuration.Cluster(name: $0, discovery: .originalDestination) }))
        let view = snapshot.view
        for (index, cluster) in snapshot.clusters.enumerated() { #expect(view.cluster(slot: cluster.slot) == index) }
        for (index, listener) in snapshot.listeners.enumerated() {
            #expect(view.listener(slot: listener.slot) == index)
        }
        for slot in [-1, 500, .max] { #expect(view.cluster(slot: slot) == nil && view.listener(slot: slot) == nil) }
        let ports = Set(snapshot.listeners.map(\.address.port))
        for port in UInt16.min ... .max { #expect(view.hasListener(port: port) == ports.contains(port)) }
        #expect(try compile(Configuration()).view.hasListener(port: 8000) == false)
    }

    @Test func tablesReadLikeArrays() {
        for records in [[], [7], [3, 1, 2]] as [[Int]] {
            let table = RecordTable(records)
            #expect(Array(table) == records && table.map(\.self) == records)
            #expect(table.view.indices.map { table.view[$0] } == records)
        }
    }
}
