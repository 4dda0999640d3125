using System.Text.Json;
using ImageFs.Format;

namespace ImageFs.Fsck;

/// <summary>Exit codes of fsck(8).</summary>
public enum FsckExit
{
    Clean = 0, Repaired = 1, ErrorsLeft = 4, OperationalError = 8, Usage = 16, Cancelled = 32,
}

/// <summary>How much of the image could be looked at.</summary>
public enum ScanExtent { None, Partial, Complete }

/// <summary>How a check is made.</summary>
public record FsckOptions
{
    /// <summary>Findings kept in the report; the rest is counted.</summary>
    public int MaxFindings { get; init; } = 10_000;
    /// <summary>Findings kept of one code, so that one kind of damage does not hide the others.</summary>
    public int MaxFindingsPerCode { get; init; } = 1_000;
    /// <summary>The most memory for what grows with the image, in bytes; what does not fit waits in temporary files. At least 8 MiB.</summary>
    public long MemoryBytes { get; init; } = 1L << 30;
    /// <summary>The device's name for the report.</summary>
    public string DeviceName { get; init; } = "";
    /// <summary>Workers for the smallest units of work; 0 takes as many as there are processors, where it is worth it.</summary>
    internal int Workers { get; init; }
}

/// <summary>What was looked at.</summary>
public sealed record FsckStatistics(uint Groups, long MetadataBlocks, long Inodes, long Directories, long Names, TimeSpan Elapsed);

/// <summary>Progress of a check: the part that runs, and how far it is.</summary>
public readonly record struct FsckProgress(string Phase, long Done, long Total);

/// <summary>The result of a check.</summary>
public sealed record FsckReport
{
    /// <summary>Name of the JSON form, and its version; fields are only ever added within a version.</summary>
    public const string Schema = "imagefs-fsck";
    public const int SchemaVersion = 1;

    public required string Device { get; init; }
    public required IReadOnlyList<Finding> Findings { get; init; }
    /// <summary>How often each code was found, also beyond what <see cref="Findings"/> keeps.</summary>
    public required IReadOnlyDictionary<FindingCode, long> Counts { get; init; }
    public required FsckExit Exit { get; init; }
    public required ScanExtent Scan { get; init; }
    /// <summary>True if the log held changes that were not yet in place.</summary>
    public required bool WasDirty { get; init; }
    public required FsckStatistics Statistics { get; init; }
    /// <summary>Why the check could not be made; null if it was.</summary>
    public string? Problem { get; init; }
    /// <summary>What was repaired; null if nothing was to be, or nobody asked.</summary>
    public RepairOutcome? Repair { get; init; }

    public bool IsClean => Exit == FsckExit.Clean;

    /// <summary>Findings that were counted but not kept.</summary>
    public long Unlisted => Counts.Values.Sum() - Findings.Count;

    /// <summary>Writes the JSON form: one object, null where something is unknown.</summary>
    public void WriteJson(Stream stream)
    {
        using Utf8JsonWriter json = new(stream, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteString("schema", Schema);
        json.WriteNumber("schema_version", SchemaVersion);
        json.WriteString("device", Device);
        json.WriteBoolean("clean", IsClean);
        json.WriteBoolean("dirty", WasDirty);
        json.WriteString("scan", Scan switch { ScanExtent.Complete => "complete", ScanExtent.Partial => "partial", _ => "none" });
        json.WriteNumber("exit", (int)Exit);
        if (Problem is null) json.WriteNull("problem"); else json.WriteString("problem", Problem);
        json.WriteNumber("unlisted", Unlisted);
        json.WriteStartArray("findings");
        foreach (Finding finding in Findings) Write(json, finding);
        json.WriteEndArray();
        if (Repair is null) json.WriteNull("repair"); else WriteRepair(json, Repair);
        json.WriteEndObject();
    }

    private static void Write(Utf8JsonWriter json, Finding finding)
    {
        json.WriteStartObject();
        json.WriteString("code", finding.Code.Text);
        json.WriteString("severity", finding.Severity switch { Severity.Error => "error", Severity.Warning => "warning", _ => "info" });
        Number("ag", finding.Ag);
        Number("agbno", finding.AgBlock);
        Number("ino", finding.Inode);
        Text("path", finding.Path);
        Text("field", finding.Field);
        json.WriteString("what", finding.Message);
        Text("remedy", finding.Code.RemedyWord);
        json.WriteEndObject();

        void Number(string name, ulong? value)
        {
            if (value is ulong known) json.WriteNumber(name, known); else json.WriteNull(name);
        }
        void Text(string name, string? value)
        {
            if (value is not null) json.WriteString(name, value); else json.WriteNull(name);
        }
    }

    private static void WriteRepair(Utf8JsonWriter json, RepairOutcome repair)
    {
        json.WriteStartObject("repair");
        json.WriteBoolean("applied", repair.IsApplied);
        if (repair.Problem is null) json.WriteNull("problem"); else json.WriteString("problem", repair.Problem);
        if (repair.LostLog is null) json.WriteNull("lost_log"); else json.WriteString("lost_log", repair.LostLog);
        json.WriteStartArray("notes");
        foreach (string note in repair.Notes) json.WriteStringValue(note);
        json.WriteEndArray();
        json.WriteStartArray("left");
        foreach (Finding finding in repair.Left) Write(json, finding);
        json.WriteEndArray();
        json.WriteNumber("bytes", repair.Plan.Sum(c => c.Length));
        json.WriteStartArray("plan");
        foreach (PlannedChange change in repair.Plan)
        {
            json.WriteStartObject();
            json.WriteNumber("offset", change.Offset);
            json.WriteNumber("length", change.Length);
            json.WriteString("code", change.Code);
            json.WriteNumber("crc_before", change.Before);
            json.WriteNumber("crc_after", change.After);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>Writes one line per finding and a summary.</summary>
    public void WriteText(TextWriter writer, bool verbose = false)
    {
        foreach (Finding finding in Findings) writer.WriteLine(finding.ToString());
        if (Unlisted > 0)
        {
            writer.WriteLine($"... and {Unlisted} more; all of them by code:");
            foreach ((FindingCode code, long count) in Counts.OrderByDescending(p => p.Value)) writer.WriteLine($"  {count,10} {code.Text}");
        }
        WriteSummary(writer, verbose);
    }

    /// <summary>Writes the last lines of the text form only.</summary>
    public void WriteSummary(TextWriter writer, bool verbose = false)
    {
        if (verbose)
            writer.WriteLine($"{Statistics.Groups} groups, {Statistics.MetadataBlocks} metadata blocks, {Statistics.Inodes} inodes, {Statistics.Directories} directories, {Statistics.Names} names in {Statistics.Elapsed.TotalSeconds:0.00} s");
        long faults = Counts.Where(p => p.Key.Severity != Severity.Info).Sum(p => p.Value);
        string found = $"{faults} finding{(faults == 1 ? "" : "s")}";
        string name = Device.Length > 0 ? Device + ": " : "";
        writer.WriteLine(Exit switch
        {
            FsckExit.Clean => $"{name}clean",
            FsckExit.OperationalError => $"{name}cannot be checked: {Problem}",
            FsckExit.Cancelled => $"{name}cancelled",
            FsckExit.Repaired when Repair is { IsApplied: false } plan => $"{name}{found}, all can be repaired: {plan.Plan.Count} changes; nothing was changed",
            FsckExit.Repaired => $"{name}{found}, repaired: {Repair!.Plan.Sum(c => c.Length)} bytes written",
            _ when Repair is { Problem: string left, IsApplied: true } => $"{name}{found}, {Repair.Plan.Sum(c => c.Length)} bytes written, not everything is repaired: {left}",
            _ when Repair?.Problem is string problem => $"{name}{found}, not repaired: {problem}; nothing was changed",
            _ => $"{name}{found}, nothing was changed{(Scan == ScanExtent.Partial ? "; parts could not be read" : "")}",
        });
        if (Repair is not null)
        {
            foreach (Finding left in Repair.Left) writer.WriteLine($"left: {left}");
            foreach (string note in Repair.Notes) writer.WriteLine($"{name}{note}");
        }
        if (Repair?.LostLog is string lost) writer.WriteLine($"{name}a part of the log was given up: {lost}");
    }
}
