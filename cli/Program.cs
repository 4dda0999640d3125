using ImageFs.Cli;

using Stdio io = Stdio.OfProcess();
return CommandLine.Run(Arguments.AsGiven(args), io);
