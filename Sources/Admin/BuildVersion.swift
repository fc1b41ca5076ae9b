/// What `--version`, `GET /version` and `apus_build_info` say.
public enum BuildVersion {
    /// The release, as in CHANGELOG.
    public static let text = "0.1.0"
}
