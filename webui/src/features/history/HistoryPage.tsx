export default function Page(_: Record<string, string | null>) { return null; }
