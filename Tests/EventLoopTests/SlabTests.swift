import Testing

@testable import EventLoop

@Suite struct SlabTests {
    /// Counts how many of it are alive.
    private final class Census {
        var alive = 0
    }

    private struct Resident: ~Copyable {
        let census: Census
        var name: Int

        init(_ census: Census, _ name: Int) {
            self.census = census
            self.name = name
            census.alive += 1
        }

        deinit { census.alive -= 1 }
    }

    private func take(_ handle: SlabHandle, from slab: inout Slab<Resident>) -> Int? {
        guard let resident = slab.remove(handle) else { return nil }
        return resident.name
    }

    @Test func staleHandlesFindNothing() {
        let census = Census()
        var slab = Slab<Resident>()
        let first = slab.insert(Resident(census, 1))
        #expect(slab.find(first)?.value.name == 1)
        slab.find(first)?.value.name = 7
        #expect(take(first, from: &slab) == 7 && census.alive == 0)
        let second = slab.insert(Resident(census, 2))
        #expect(second.index == first.index && second != first)
        let isStale = slab.find(first) == nil
        #expect(isStale)
        #expect(take(first, from: &slab) == nil)
        let (count, name) = (slab.count, slab.find(second)?.value.name)
        #expect(count == 1 && name == 2)
        let none = [SlabHandle(index: 99, generation: 1), SlabHandle(index: 0, generation: 0)]
        for handle in none {
            let isNothing = slab.find(handle) == nil
            #expect(isNothing, "\(handle)")
        }
        let (here, beyond) = (slab.handle(at: 0), slab.handle(at: 1))
        #expect(here == second && beyond == nil)
    }

    @Test func whatIsLeftGoesWithTheSlab() {
        let census = Census()
        do {
            var slab = Slab<Resident>()
            let handles = (0..<200).map { slab.insert(Resident(census, $0)) }
            for handle in handles where handle.index.isMultiple(of: 3) { _ = slab.remove(handle) }
            let (count, end) = (slab.count, slab.indexEnd)
            #expect(census.alive == 133 && count == 133 && end == 200)
        }
        #expect(census.alive == 0)
    }

    @Test func generationsWrapAroundAndStayOddWhileTaken() {
        var slab = Slab<Int>()
        let first = slab.insert(0)
        _ = slab.remove(first)
        // As after 2^23 - 1 takings of the place.
        slab.generations[0] = 0xff_fffe
        let last = slab.insert(1)
        #expect(last.generation == 0xff_ffff)
        let value = slab.remove(last)
        let isStale = slab.find(last) == nil
        #expect(value == 1 && isStale)
        let again = slab.insert(2)
        #expect(again == first, "what comes after the last is the first, and odd")
    }

    @Test(arguments: [UInt64.random(in: 0...UInt64.max)])
    func behavesLikeADictionary(seed: UInt64) {
        var random = Generator(state: seed)
        var slab = Slab<Int>()
        var model: [SlabHandle: Int] = [:]
        var old: [SlabHandle] = []
        for step in 0..<20_000 {
            if Bool.random(using: &random) || model.isEmpty {
                let handle = slab.insert(step)
                #expect(model.updateValue(step, forKey: handle) == nil, "seed \(seed) step \(step)")
            } else if let handle = model.keys.randomElement(using: &random) {
                let value = slab.remove(handle)
                #expect(value == model.removeValue(forKey: handle), "seed \(seed) step \(step)")
                old.append(handle)
            }
        }
        let (count, end) = (slab.count, slab.indexEnd)
        #expect(count == model.count)
        for (handle, value) in model {
            let found = slab.find(handle)?.value
            #expect(found == value, "seed \(seed)")
        }
        for handle in old {
            let isStale = slab.find(handle) == nil
            #expect(isStale, "seed \(seed)")
        }
        let walked = Self.handles(slab, end)
        #expect(Set(walked) == Set(model.keys), "seed \(seed)")
    }

    private static func handles(_ slab: borrowing Slab<Int>, _ end: Int) -> [SlabHandle] {
        var handles: [SlabHandle] = []
        for index in 0..<end {
            if let handle = slab.handle(at: index) { handles.append(handle) }
        }
        return handles
    }
}
