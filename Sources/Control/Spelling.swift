/// Finds the name somebody probably meant.
enum Spelling {
    /// The candidate nearest to `name`, if it is near: a third of its letters or fewer differ, or only the case.
    static func nearest(to name: String, among candidates: [String]) -> String? {
        guard name.count <= 64 else { return nil }
        let lowercased = name.lowercased()
        let distances = candidates.map { ($0, distance(Array(lowercased), Array($0.lowercased()))) }
        guard let (candidate, distance) = distances.min(by: { $0.1 < $1.1 }) else { return nil }
        return distance <= max(1, min(name.count, candidate.count) / 3) ? candidate : nil
    }

    /// Damerau-Levenshtein distance without overlapping swaps: insertions, deletions, substitutions, swaps.
    private static func distance(_ left: [Character], _ right: [Character]) -> Int {
        guard !left.isEmpty, !right.isEmpty else { return max(left.count, right.count) }
        var previous: [Int] = []
        var current = Array(0...right.count)
        for row in 1...left.count {
            let beforePrevious = previous
            previous = current
            current[0] = row
            for column in 1...right.count {
                let isSame = left[row - 1] == right[column - 1]
                var best = min(previous[column] + 1, current[column - 1] + 1, previous[column - 1] + (isSame ? 0 : 1))
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    best = min(best, beforePrevious[column - 2] + 1)
                }
                current[column] = best
            }
        }
        return current[right.count]
    }
}
