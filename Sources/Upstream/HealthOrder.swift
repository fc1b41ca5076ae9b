import Model

/// The order of a group's members by health.
enum HealthOrder {
    /// Fills `places` (of `order`) in `members`, which begins at `base` there: the healthy first, as they stand in
    /// `order`, then the others, the last one first. Returns how many are healthy. The outcome depends on nothing else, so
    /// cursors mean the same before and after a reload.
    static func apply(
        to members: inout [UInt32], base: Int, _ places: Range<Int>, order: RecordView<UInt32>,
        isHealthy: (UInt32) -> Bool
    ) -> Int {
        var (front, back) = (places.lowerBound, places.upperBound)
        for place in places {
            let member = order[place]
            if isHealthy(member) {
                members[base + front] = member
                front += 1
            } else {
                back -= 1
                members[base + back] = member
            }
        }
        return front - places.lowerBound
    }
}
