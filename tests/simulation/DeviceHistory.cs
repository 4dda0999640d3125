namespace ImageFs.Tests.Simulation;

/// <summary>
/// A recorded run, to be cut anywhere without running it again. Cuts are visited in rising order, so that the durable
/// image grows along.
/// </summary>
/// <param name="start">The disk before the first step.</param>
/// <param name="steps">Step n is steps[n - 1].</param>
internal sealed class DeviceHistory(PagedImage start, IReadOnlyList<DeviceStep> steps, ByteRange log)
{
    private readonly PagedImage _durable = start.Copy();
    // Steps up to and including this one are in _durable; it is a flush, or 0.
    private int _flushed;

    public int Count => steps.Count;

    public bool IsFlush(int step) => steps[step - 1].IsFlush;

    /// <summary>
    /// The disk if the power is cut in the middle of a step: a write may then survive in part, a flush has done nothing.
    /// </summary>
    /// <param name="step">From 1 up; Count + 1 cuts after the last one.</param>
    public PagedImage Cut(int step, Survival survival)
    {
        int flush = step - 1;
        while (flush > 0 && !steps[flush - 1].IsFlush)
            flush--;
        if (flush < _flushed)
            throw new InvalidOperationException($"step {step} lies before the flush at {_flushed} that was passed already");
        for (; _flushed < flush; _flushed++)
            if (steps[_flushed].Data is byte[] data)
                _durable.Write(steps[_flushed].Offset, data);
        List<DeviceStep> pending = [];
        for (int i = flush; i < Math.Min(step, steps.Count); i++)
            if (!steps[i].IsFlush)
                pending.Add(steps[i]);
        return survival.Apply(_durable, pending, log);
    }
}
