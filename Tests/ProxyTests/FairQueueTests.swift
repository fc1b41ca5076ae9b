import EventLoop
import Model
import Syscalls
import Testing
import Upstream

@testable import Proxy

/// The queue of connections that have work, on tunnels whose sockets go nowhere.
@Suite struct FairQueueTests {
    /// SplitMix64.
    private struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9e37_79b9_7f4a_7c15
            var z = state
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
    }

    private func insert(_ count: Int, into tunnels: inout Slab<Tunnel>) throws -> [UInt32] {
        try (0..<count).map { _ in
            let tunnel = Tunnel(
                downstream: Transport(try Socket(family: .v4)), upstream: Transport(try Socket(family: .v4)),
                record: ConnectionRecord(), admission: Admission(),
                plan: ConnectPlan(clusterIndex: 0, clusterSlot: 0, generation: 0), startedAt: 0, lastActivity: 0,
                idleTimeout: 0)
            return tunnels.insert(tunnel).index
        }
    }

    @Test(arguments: [1000, 10_000, FairQueue.quantum, 4 * FairQueue.quantum])
    func aPodWithOneConnectionGetsAsMuchAsOneWithMany(cost: Int) throws {
        var tunnels = Slab<Tunnel>()
        let places = try insert(301, into: &tunnels)
        var queue = FairQueue()
        for place in places { queue.add(place, pod: place == 0 ? 5 : 9, tunnels: tunnels) }
        var moved = [Int: Int]()
        // Every connection has more work whenever it has been served.
        for _ in 0..<20_000 {
            let next = queue.next(tunnels: tunnels)
            let (index, pod) = try #require(next)
            moved[pod, default: 0] += cost
            queue.charge(cost, pod: pod)
            queue.add(index, pod: index == 0 ? 5 : 9, tunnels: tunnels)
        }
        let (one, many) = (Double(moved[6] ?? 0), Double(moved[10] ?? 0))
        // The one comes back at the end of the round each time it was served: once a round, with what a visit costs,
        // against the other's quantum.
        let expected = Double(cost) / Double(max(FairQueue.quantum, cost))
        #expect(one / many > expected * 0.9 && one / many < 1.2, "\(one / many), expected \(expected)")
    }

    @Test func aPodWaitsForARoundAtMost() throws {
        var tunnels = Slab<Tunnel>()
        let places = try insert(300, into: &tunnels)
        var queue = FairQueue()
        for place in places.dropFirst() { queue.add(place, pod: 1, tunnels: tunnels) }
        for _ in 0..<1000 {
            let next = queue.next(tunnels: tunnels)
            let (index, pod) = try #require(next)
            queue.charge(25_000, pod: pod)
            queue.add(index, pod: 1, tunnels: tunnels)
        }
        queue.add(places[0], pod: 2, tunnels: tunnels)
        var visits = 0
        while case let (index, pod)? = queue.next(tunnels: tunnels), index != places[0] {
            visits += 1
            queue.charge(25_000, pod: pod)
            queue.add(index, pod: 1, tunnels: tunnels)
        }
        #expect(visits <= FairQueue.quantum / 25_000 + 1, "\(visits)")
    }

    /// Accepting is done for whoever connects; a pod that had much of it is served after the others, but not never.
    @Test func workOutOfTurnIsOwedWithinABound() throws {
        var tunnels = Slab<Tunnel>()
        let places = try insert(2, into: &tunnels)
        var queue = FairQueue()
        queue.charge(1_000_000_000, pod: 2)
        queue.add(places[0], pod: 1, tunnels: tunnels)
        queue.add(places[1], pod: 2, tunnels: tunnels)
        var rounds = 0
        while case let next = queue.next(tunnels: tunnels), let (index, pod) = next, index != places[0] {
            #expect(pod == 3)
            rounds += 1
            try #require(rounds < 1000)
            queue.charge(FairQueue.quantum, pod: pod)
            queue.add(index, pod: 2, tunnels: tunnels)
        }
        #expect(rounds == FairQueue.debtMax / FairQueue.quantum)
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1])
    func nothingIsLostOrServedTwice(seed: UInt64) throws {
        var random = Generator(state: seed)
        var tunnels = Slab<Tunnel>()
        let places = try insert(60, into: &tunnels)
        var queue = FairQueue()
        var waiting: [UInt32: Int] = [:]
        for step in 0..<20_000 {
            if Bool.random(using: &random), let place = places.randomElement(using: &random), waiting[place] == nil {
                let pod = Int.random(in: -1...6, using: &random)
                waiting[place] = pod
                queue.add(place, pod: pod, tunnels: tunnels)
            } else if let (index, pod) = queue.next(tunnels: tunnels) {
                #expect(waiting.removeValue(forKey: index) == pod - 1, "seed \(seed) step \(step)")
                queue.charge(Int.random(in: 0...500_000, using: &random), pod: pod)
            } else {
                #expect(waiting.isEmpty, "seed \(seed) step \(step)")
            }
            #expect(queue.isEmpty == waiting.isEmpty, "seed \(seed) step \(step)")
        }
        while let (index, pod) = queue.next(tunnels: tunnels) {
            #expect(waiting.removeValue(forKey: index) == pod - 1, "seed \(seed)")
            queue.charge(1, pod: pod)
        }
        #expect(waiting.isEmpty, "seed \(seed)")
    }

    @Test func onePodIsServedInTheOrderOfComing() throws {
        var tunnels = Slab<Tunnel>()
        let places = try insert(50, into: &tunnels)
        var queue = FairQueue()
        for place in places { queue.add(place, pod: -1, tunnels: tunnels) }
        var served: [UInt32] = []
        while let (index, pod) = queue.next(tunnels: tunnels) {
            served.append(index)
            queue.charge(1 << 20, pod: pod)
        }
        #expect(served == places)
    }
}
