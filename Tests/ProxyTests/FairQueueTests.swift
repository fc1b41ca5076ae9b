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

    private func items(_ count: Int) -> [WorkItem] {
        // Of all kinds: their places must not meet.
        (0..<count).map { WorkItem([.tunnel, .client, .server][$0 % 3], UInt32($0 / 3)) }
    }

    @Test(arguments: [1000, 10_000, FairQueue.quantum, 4 * FairQueue.quantum])
    func aPodWithOneConnectionGetsAsMuchAsOneWithMany(cost: Int) throws {
        let places = items(301)
        var queue = FairQueue()
        for place in places { queue.add(place, pod: place == places[0] ? 5 : 9) }
        var moved = [Int: Int]()
        // Every connection has more work whenever it has been served.
        for _ in 0..<20_000 {
            let next = queue.next()
            let (index, pod) = try #require(next)
            moved[pod, default: 0] += cost
            queue.charge(cost, pod: pod)
            queue.add(index, pod: index == places[0] ? 5 : 9)
        }
        let (one, many) = (Double(moved[6] ?? 0), Double(moved[10] ?? 0))
        // The one comes back at the end of the round each time it was served: once a round, with what a visit costs,
        // against the other's quantum.
        let expected = Double(cost) / Double(max(FairQueue.quantum, cost))
        #expect(one / many > expected * 0.9 && one / many < 1.2, "\(one / many), expected \(expected)")
    }

    @Test func aPodWaitsForARoundAtMost() throws {
        let places = items(300)
        var queue = FairQueue()
        for place in places.dropFirst() { queue.add(place, pod: 1) }
        for _ in 0..<1000 {
            let next = queue.next()
            let (index, pod) = try #require(next)
            queue.charge(25_000, pod: pod)
            queue.add(index, pod: 1)
        }
        queue.add(places[0], pod: 2)
        var visits = 0
        while case let (index, pod)? = queue.next(), index != places[0] {
            visits += 1
            queue.charge(25_000, pod: pod)
            queue.add(index, pod: 1)
        }
        #expect(visits <= FairQueue.quantum / 25_000 + 1, "\(visits)")
    }

    /// Accepting is done for whoever connects; a pod that had much of it is served after the others, but not never.
    @Test func workOutOfTurnIsOwedWithinABound() throws {
        let places = items(2)
        var queue = FairQueue()
        queue.charge(1_000_000_000, pod: 2)
        queue.add(places[0], pod: 1)
        queue.add(places[1], pod: 2)
        var rounds = 0
        while case let next = queue.next(), let (index, pod) = next, index != places[0] {
            #expect(pod == 3)
            rounds += 1
            try #require(rounds < 1000)
            queue.charge(FairQueue.quantum, pod: pod)
            queue.add(index, pod: 2)
        }
        #expect(rounds == FairQueue.debtMax / FairQueue.quantum)
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max), 1])
    func nothingIsLostOrServedTwice(seed: UInt64) throws {
        var random = Generator(state: seed)
        let places = items(60)
        var queue = FairQueue()
        var waiting: [WorkItem: Int] = [:]
        for step in 0..<20_000 {
            if step % 7 == 0, let (place, pod) = waiting.randomElement(using: &random) {
                // It ends while it waits.
                waiting[place] = nil
                queue.remove(place, pod: pod)
            } else if Bool.random(using: &random), let place = places.randomElement(using: &random),
                waiting[place] == nil
            {
                let pod = Int.random(in: -1...6, using: &random)
                waiting[place] = pod
                queue.add(place, pod: pod)
            } else if let (index, pod) = queue.next() {
                #expect(waiting.removeValue(forKey: index) == pod - 1, "seed \(seed) step \(step)")
                queue.charge(Int.random(in: 0...500_000, using: &random), pod: pod)
            } else {
                #expect(waiting.isEmpty, "seed \(seed) step \(step)")
            }
            // A pod whose last connection was removed leaves the round at its turn.
            #expect(!queue.isEmpty || waiting.isEmpty, "seed \(seed) step \(step)")
        }
        while let (index, pod) = queue.next() {
            #expect(waiting.removeValue(forKey: index) == pod - 1, "seed \(seed)")
            queue.charge(1, pod: pod)
        }
        #expect(waiting.isEmpty, "seed \(seed)")
    }

    @Test func onePodIsServedInTheOrderOfComing() throws {
        let places = items(50)
        var queue = FairQueue()
        for place in places { queue.add(place, pod: -1) }
        var served: [WorkItem] = []
        while let (index, pod) = queue.next() {
            served.append(index)
            queue.charge(1 << 20, pod: pod)
        }
        #expect(served == places)
    }
}
