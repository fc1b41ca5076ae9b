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
        let fourth = table.slot(for: "d", generation: 3, oldestGenerationInUse: 2, isIdle: idle)
        #expect(fourth?.slot == 0 && fourth?.isFresh == true)
        #expect(table.slot(for: "e", generation: 3, oldestGenerationInUse: 2, isIdle: idle) == nil, "all are taken")
        // The key whose slot was given away is new when it comes back.
        table.retireUnseen(in: 3)
        table.retireUnseen(in: 4)
        #expect(table.slot(for: "old", generation: 5, oldestGenerationInUse: 4, isIdle: idle)?.isFresh == true)
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
