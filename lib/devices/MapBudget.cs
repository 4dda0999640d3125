namespace ImageFs.Devices;

/// <summary>
/// How many pieces of address space (VMAs) this process may spend on views. The host has a limit per process, and a runtime that
/// cannot map memory any more aborts: so a quarter of the limit is ours, and whoever would exceed it gets an exception.
/// </summary>
internal static class MapBudget
{
    private const int UsualLimit = 65530;
    private static int s_used;

    /// <summary>Pieces all views together may have; a quarter of vm.max_map_count.</summary>
    public static int Limit { get; } = HostLimit() / 4;

    /// <summary>Pieces in use.</summary>
    public static int Used => Volatile.Read(ref s_used);

    /// <summary>Counts pieces in, or out when negative.</summary>
    public static void Add(int pieces) => Interlocked.Add(ref s_used, pieces);

    /// <summary>True if so many more would fit.</summary>
    public static bool HasRoomFor(long pieces) => Used + pieces <= Limit;

    private static int HostLimit()
    {
        try
        {
            return OperatingSystem.IsLinux() && int.TryParse(File.ReadAllText("/proc/sys/vm/max_map_count").Trim(), out int limit) ? limit : UsualLimit;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return UsualLimit;
        }
    }
}
