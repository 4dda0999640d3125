using ImageFs.Cli;

using Stdio io = Stdio.OfProcess();
return CommandLine.Run(args, io);
