namespace ImageFs.Journal;

/// <summary>
/// Work in several transactions that must be finished once it has begun. As long as something is left of it, every checkpoint
/// takes back what the one before it promised and promises what is left then:
/// <code>
///   checkpoint 1   XMI 1: exchange 10000 blocks from 0 on
///   checkpoint 2   XMD 1; XMI 2: exchange 7000 blocks from 3000 on      the blocks before have changed places
///   power cut      whoever replays checkpoint 2 exchanges the rest
/// </code>
/// </summary>
/// <remarks>
/// What the kernel calls relogging: the newest checkpoint alone says what is left, so the tail may move over all others.
/// </remarks>
/// <param name="logged">What the log says of it already, if it was found there.</param>
internal sealed class StandingIntent(PendingIntent? logged = null)
{
    /// <summary>What is left; null if nothing is. Set by <see cref="Journal.Stand"/>.</summary>
    public PendingIntent? Rest { get; set; }

    /// <summary>What the newest checkpoint in the log promises, if any does.</summary>
    public PendingIntent? Logged { get; set; } = logged;
}
