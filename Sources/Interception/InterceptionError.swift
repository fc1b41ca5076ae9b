/// Why an installation, an update or a removal did not happen.
public enum InterceptionError: Error, Equatable {
    /// The host or the configuration has something the rules cannot live with; nothing was changed. One line each.
    case refused([String])
    /// A step failed; what had been done was undone, except for `leftBehind`.
    case failed(step: String, cause: String, leftBehind: [String])
}

extension InterceptionError: CustomStringConvertible {
    /// One line per problem.
    public var description: String {
        switch self {
        case .refused(let problems): return problems.map { "refused: \($0)" }.joined(separator: "\n")
        case .failed(let step, let cause, let leftBehind):
            let end = leftBehind.map { "could not be undone: \($0)" }
            return (["\(step): \(cause)"] + end).joined(separator: "\n")
        }
    }
}
