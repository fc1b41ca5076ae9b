import Glibc

/// Waits until `condition` holds, asking again every 5 ms; false when it does not within `limit`.
public func eventually(
    within limit: Duration = .seconds(5), _ condition: () throws -> Bool
) rethrows -> Bool {
    let deadline = ContinuousClock.now + limit
    while true {
        if try condition() { return true }
        guard ContinuousClock.now < deadline else { return false }
        usleep(5_000)
    }
}

/// Waits until `value` is there, asking again every 5 ms; nil when it is not within `limit`.
public func eventually<Value>(within limit: Duration = .seconds(5), _ value: () throws -> Value?) rethrows -> Value? {
    var found: Value?
    _ = try eventually(within: limit) {
        found = try value()
        return found != nil
    }
    return found
}
