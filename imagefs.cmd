@echo off
rem The command line of ImageFs. Builds it (Release, into .build\) on first use and when sources have
rem changed since, then runs it. `imagefs --help` tells what it can do.
rem
rem .build\sources mirrors what the newest build was made from; robocopy says by its exit code, without
rem copying (/L), whether anything differs. .build\current names the folder of that build.
setlocal
set "root=%~dp0"
if "%root:~-1%"=="\" set "root=%root:~0,-1%"
set "build=%root%\.build"
set "program="
if not exist "%build%\current" goto build
call :mirror /L
if errorlevel 1 goto build
set /p folder=<"%build%\current"
set "program=%build%\%folder%\ImageFs.Cli.exe"
if exist "%program%" goto run

:build
where dotnet >nul 2>nul
if errorlevel 1 (
    echo imagefs: needs the .NET 10 SDK ^(dotnet^), which is not on the PATH 1>&2
    exit /b 69
)
if not exist "%build%" mkdir "%build%"
rem A folder is made by one process only: whoever comes second waits for the first.
set "waited=0"
:lock
mkdir "%build%\lock.dir" 2>nul
if not errorlevel 1 goto locked
set /a waited+=1
if %waited% gtr 300 (
    echo imagefs: another build does not end; remove %build%\lock.dir if there is none 1>&2
    exit /b 75
)
ping -n 2 127.0.0.1 >nul
goto lock

:locked
if not exist "%build%\current" goto publish
call :mirror /L
if errorlevel 1 goto publish
set /p folder=<"%build%\current"
goto built

:publish
echo imagefs: building, once... 1>&2
set "folder=run-%RANDOM%%RANDOM%"
call :mirror
call :dotnet -p:PublishReadyToRun=true
if not errorlevel 1 goto published
findstr /c:"error CS" "%build%\log" >nul
if not errorlevel 1 goto failed
call :dotnet
if errorlevel 1 goto failed
:published
>"%build%\current.new" echo %folder%
move /y "%build%\current.new" "%build%\current" >nul
:built
rmdir "%build%\lock.dir"
set "program=%build%\%folder%\ImageFs.Cli.exe"

:run
"%program%" %*
exit /b %errorlevel%

:failed
rmdir "%build%\lock.dir"
del "%build%\current" 2>nul
echo imagefs: the build failed: 1>&2
findstr "error warning" "%build%\log" 1>&2
exit /b 70

:dotnet
dotnet publish "%root%\cli\ImageFs.Cli.csproj" -c Release -o "%build%\%folder%" --artifacts-path "%build%\artifacts" --disable-build-servers --nologo -v quiet -p:RunAnalyzers=false -p:GenerateDocumentationFile=false -p:DebugType=none --use-current-runtime -p:SelfContained=false %1 >"%build%\log" 2>&1
exit /b %errorlevel%

rem 0: nothing differs. 1 to 7: something did. With /L nothing is copied.
:mirror
robocopy "%root%" "%build%\sources" *.cs *.csproj Directory.*.props global.json /MIR /XD bin obj .git .build tests bench images .ci %1 /NJH /NJS /NDL /NFL /NC /NS /NP >nul
if errorlevel 8 exit /b 8
if errorlevel 1 exit /b 1
exit /b 0
