// @ts-check
// A shared link's filters are in its fragment; the form hands them on to the page behind the login.
for (const form of document.forms) form.action += location.hash;
