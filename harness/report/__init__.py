"""What a run leaves behind: report, trace, diagrams, Allure results, a summary for people."""
