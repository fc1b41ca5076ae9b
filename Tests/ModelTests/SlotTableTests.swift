import Testing

@testable import Model

@Suite struct SlotTableTests {
    private func idle(_: Int) -> Bool { true }

    @Test func aKeyKeepsItsSlot() {
        var table = SlotTable<String>(capacity: 8)
        for generation in 1...5 as ClosedRange<UInt64> {
            let a = table.slot(for: "a", generation: generation, oldestGenerationInUse: generation - 1, isIdle: idle)
            let b = table.slot(for: "b", generation: generation, oldestGenerationInUse: generation - 1, isIdle: idle)
            #expect(a?.slot == 0 && b?.slot == 1)
            #expect(a?.isFresh == (generation == 1))
            table.retireUnseen(in: generation)
        }
    }

    @Test func aSlotIsGivenAwayOnlyWhenNobodyCanMeanTheOldKey() {
        var table = SlotTable<String>(capacity: 3)
        _ = table.slot(for: "old", generation: 1, oldestGenerationInUse: 0, isIdle: idle)
        table.retireUnseen(in: 1)
        // Generation 2 does not name it; workers still hold 1.
        table.retireUnseen(in: 2)
        let second = table.slot(for: "b", generation: 3, oldestGenerationInUse: 1, isIdle: idle)
        #expect(second?.slot == 1 && second?.isFresh == true)
        // Workers are past it, but a connection is not.
        let third = table.slot(for: "c", generation: 3, oldestGenerationInUse: 2) { $0 != 0 }
        #expect(third?.slot == 2)
        #expect(table.slot(for: "d", generation: 3, oldestGenerationInUse: 2, isIdle: idle) == nil, "asked once")
        for key in ["b", "c"] {
            _ = table.slot(for: key, generation: 4, oldestGenerationInUse: 3, isIdle: idle)
        }
        let fourth = table.slot(for: "d", generation: 4, oldestGenerationInUse: 3, isIdle: idle)
        #expect(fourth?.slot == 0 && fourth?.isFresh == true)
        #expect(table.slot(for: "e", generation: 4, oldestGenerationInUse: 3, isIdle: idle) == nil, "all are taken")
        // The key whose slot was given away is new when it comes back.
        table.retireUnseen(in: 4)
        table.retireUnseen(in: 5)
        #expect(table.slot(for: "old", generation: 6, oldestGenerationInUse: 5, isIdle: idle)?.isFresh == true)
    }

    /// All keys change places with others, back and forth, while connections hold some of the slots.
    @Test func manyKeysComingAndGoingStayCheap() {
        let count = 50_000
        var table = SlotTable<Int>(capacity: 4 * count)
        var slots: [[Int: Int]] = [[:], [:]]
        for generation in 1...6 as ClosedRange<UInt64> {
            let side = Int(generation) % 2
            for key in 0..<count {
                let given = table.slot(
                    for: key * 2 + side, generation: generation, oldestGenerationInUse: generation - 1
                ) { $0 % 3 == 0 }
                guard let given else {
                    Issue.record("no slot for \(key) in generation \(generation)")
                    return
                }
                if generation > 2 { #expect(slots[side][key] == given.slot) }
                slots[side][key] = given.slot
            }
            #expect(Set(slots[side].values).count == count, "no slot is given twice")
            table.retireUnseen(in: generation)
        }
    }

    @Test func aKeyThatComesBackGetsItsSlotAgain() {
        var table = SlotTable<String>(capacity: 4)
        for generation in 1...10_000 as ClosedRange<UInt64> {
            guard generation.isMultiple(of: 2) else {
                table.retireUnseen(in: generation)
                continue
            }
            let given = table.slot(
                for: "a", generation: generation, oldestGenerationInUse: generation - 1
            ) { _ in false }
            #expect(given?.slot == 0)
            table.retireUnseen(in: generation)
        }
    }
}
