import Model

/// One labelled series: a name and the slots whose counters add up to it.
///
/// More than one slot is behind a series when two things share a name (a pod that came back with another UID), and
/// behind `other`, which takes what is past `statistics.seriesMax`.
struct MetricSeries {
    let name: String
    private(set) var slots: [Int]

    /// The series that takes the rest.
    static let other = "other"

    /// Series for `things`, in their order; those past the first `limit` share the series `other`.
    static func series(of things: [(name: String, slot: Int)], limit: Int) -> [MetricSeries] {
        var series: [MetricSeries] = []
        var indexByName: [String: Int] = [:]
        for (position, thing) in things.enumerated() {
            let name = position < limit ? thing.name : other
            if let index = indexByName[name] {
                series[index].slots.append(thing.slot)
            } else {
                indexByName[name] = series.count
                series.append(MetricSeries(name: name, slots: [thing.slot]))
            }
        }
        return series
    }
}

/// Shares `statistics.seriesMax` out among the kinds of things that have series of their own. A thing is counted with
/// all the series it can ever have, so that it does not move to `other` the moment it first fails.
struct MetricSeriesBudget {
    private var remaining: Int

    init(seriesMax: Int) { remaining = max(0, seriesMax) }

    /// How many of `count` things with `width` series each get series of their own, out of at most `share` of what is
    /// left.
    mutating func admit(_ count: Int, width: Int, share: Double = 1) -> Int {
        let admitted = min(count, Int(Double(remaining) * share) / width)
        remaining -= admitted * width
        return admitted
    }
}
